// Package linearizability decides whether a short history of operations on etcd is
// linearizable, and draws it, with porcupine (github.com/anishathalye/porcupine).
//
// Its search is exponential in the number of operations that overlap, so it is for the
// few operations around a violation, and the oracle of the tests of package consistency,
// which checks whole runs.
package linearizability

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/etcdbench/etcdbench/results"
)

// An Operation is one operation of a history.
type Operation struct {
	results.ProofOperation
	// Compare means that it was done only if the key had the revision Compared, or did
	// not exist for 0. Failed says that it had another one, the one in Modified.
	Compare, Failed bool
	Compared        int64
}

// maxKeys is how many keys a history may have.
const maxKeys = 4

// searchTime bounds the search.
const searchTime = 10 * time.Second

// Check reports whether a history is linearizable, from a store without keys at a revision;
// with 0, the store may hold anything.
func Check(history []Operation, begin int64) (bool, error) {
	model, operations, err := prepare(history, begin)
	if err != nil {
		return false, err
	}
	switch porcupine.CheckOperationsTimeout(model, operations, searchTime) {
	case porcupine.Ok:
		return true, nil
	case porcupine.Illegal:
		return false, nil
	}
	return false, fmt.Errorf("check a history of %d operations: no answer within %v", len(history), searchTime)
}

// Draw writes a page that shows the operations as intervals in time, and the longest
// order of them that is possible.
func Draw(w io.Writer, history []results.ProofOperation) error {
	var list []Operation
	for _, op := range history {
		list = append(list, Operation{ProofOperation: op})
	}
	model, operations, err := prepare(list, 0)
	if err != nil {
		return err
	}
	_, info := porcupine.CheckOperationsVerbose(model, operations, searchTime)
	return porcupine.Visualize(model, info, w)
}

// prepare returns a history as porcupine takes it.
func prepare(history []Operation, begin int64) (porcupine.Model, []porcupine.Operation, error) {
	var keys []string
	for _, op := range history {
		if !slices.Contains(keys, op.Key) {
			keys = append(keys, op.Key)
		}
	}
	if len(keys) > maxKeys {
		return porcupine.Model{}, nil, fmt.Errorf("a history of %d keys: at most %d can be checked", len(keys), maxKeys)
	}
	var list []porcupine.Operation
	first := time.Time{}
	for _, op := range history {
		if first.IsZero() || op.Sent.Before(first) {
			first = op.Sent
		}
	}
	for _, op := range history {
		p := porcupine.Operation{
			Input: input{op, slices.Index(keys, op.Key)}, Call: int64(op.Sent.Sub(first)), Return: math.MaxInt64,
		}
		if !op.Unknown && !op.Answered.IsZero() {
			p.Return = int64(op.Answered.Sub(first))
		}
		list = append(list, p)
	}
	assignRows(list)
	start := store{revision: begin}
	if begin > 0 {
		for i := range start.cells {
			start.cells[i].status = absent
		}
	}
	return porcupine.Model{
		Init: func() any { return start },
		Step: func(s, in, _ any) (bool, any) {
			after := s.(store)
			ok := after.apply(in.(input))
			return ok, after
		},
		DescribeOperation: func(in, _ any) string { return in.(input).String() },
		DescribeState:     func(s any) string { return s.(store).describe(keys) },
	}, list, nil
}

// assignRows puts operations that overlap into different rows of the page. Porcupine calls
// a row a client.
func assignRows(list []porcupine.Operation) {
	order := make([]*porcupine.Operation, len(list))
	for i := range list {
		order[i] = &list[i]
	}
	slices.SortStableFunc(order, func(a, b *porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	var ends []int64
	for _, op := range order {
		row := slices.IndexFunc(ends, func(end int64) bool { return end < op.Call })
		if row < 0 {
			row = len(ends)
			ends = append(ends, 0)
		}
		op.ClientId, ends[row] = row, op.Return
	}
}
