package workloads

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

var _ bench.Sharer = (*mix)(nil)

// preparer is implemented by workloads whose Setup has results that the other processes of
// a run need.
type preparer interface {
	// prepared returns the results of Setup. prepare passes them to another process.
	prepared() []int64
	prepare([]int64) error
}

// handover has the results of the preparation of a run, for its other processes.
type handover struct {
	// Revision is the store's revision before the first write; 0 if it is unknown.
	Revision int64
	Parts    [][]int64
}

// Handover implements [bench.Sharer].
func (m *mix) Handover() ([]byte, error) {
	h := handover{Revision: m.target.shared.ledger.Record().Highest}
	for _, p := range m.parts {
		var own []int64
		if s, ok := p.Workload.(preparer); ok {
			own = s.prepared()
		}
		h.Parts = append(h.Parts, own)
	}
	return pack(h)
}

// TakeOver implements [bench.Sharer].
func (m *mix) TakeOver(data []byte) error {
	var h handover
	if err := unpack(data, &h); err != nil {
		return fmt.Errorf("preparation of the run: %w", err)
	}
	if len(h.Parts) != len(m.parts) {
		return errors.New("preparation of the run: it is of another run")
	}
	if h.Revision > 0 {
		m.target.shared.ledger.Begin(h.Revision)
		if c := m.target.shared.checker; c != nil {
			c.Begin(h.Revision)
		}
	}
	for i, p := range m.parts {
		if s, ok := p.Workload.(preparer); ok {
			if err := s.prepare(h.Parts[i]); err != nil {
				return fmt.Errorf("preparation of the run: %w", m.explain(p, err))
			}
		}
	}
	return nil
}

// evidence is the contribution of one share of a run to the proof.
type evidence struct {
	Ledger ledger.Record
	Proof  results.Proof
}

// Evidence implements [bench.Sharer].
func (m *mix) Evidence(ctx context.Context) ([]byte, error) {
	if m.target.shared.ledger == nil {
		return nil, nil
	}
	e := evidence{Ledger: m.target.shared.ledger.Record()}
	resolveOutcomes(ctx, m.target.reachable(ctx))
	m.target.shared.checker.Verify(&e.Proof)
	m.verifyParts(ctx, &e.Proof)
	return pack(e)
}

// verifyParts adds the checks of the parts.
func (m *mix) verifyParts(ctx context.Context, proof *results.Proof) {
	for _, p := range m.parts {
		if v, ok := p.Workload.(verifier); ok {
			v.verify(ctx, proof)
		}
	}
}

// Accept implements [bench.Sharer].
func (m *mix) Accept(data []byte) error {
	if len(data) == 0 || m.target.shared.ledger == nil {
		return nil
	}
	var e evidence
	if err := unpack(data, &e); err != nil {
		return fmt.Errorf("evidence of an agent: %w", err)
	}
	m.accepted.Merge(e.Proof)
	m.accepted.Checks = addChecks(m.accepted.Checks, e.Proof.Checks)
	m.shares++
	return m.target.shared.ledger.Merge(e.Ledger)
}

// addChecks adds up the checks with the same name that shares of a run have made.
func addChecks(sum, more []results.Check) []results.Check {
next:
	for _, c := range more {
		for i := range sum {
			if s := &sum[i]; s.Name == c.Name {
				s.Checked, s.Of = s.Checked+c.Checked, s.Of+c.Of
				if s.Skipped == "" {
					s.Skipped = c.Skipped
				}
				continue next
			}
		}
		sum = append(sum, c)
	}
	return sum
}

// maxPacked is the largest size of unpacked data, in bytes.
const maxPacked = 1 << 30

// pack encodes data of a share for another process.
func pack(v any) ([]byte, error) {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, flate.BestSpeed)
	if err == nil {
		err = errors.Join(gob.NewEncoder(w).Encode(v), w.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", v, err)
	}
	return buf.Bytes(), nil
}

func unpack(data []byte, v any) error {
	return gob.NewDecoder(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxPacked)).Decode(v)
}
