package versus

import (
	crand "crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// OrderFile is the name of the document in a comparison's directory that keeps the order
// of the sides, so that a comparison that is resumed goes on with it.
const OrderFile = "order.json"

const orderSchema = "etcdbench.order/v1"

// blockLength is how many rounds have as many with either side first. Short blocks keep
// drift out of the estimate; in shorter ones, an order can match that of a machine which is slow
// in every other run too easily. Six rounds can be ordered in 20 ways.
const blockLength = 6

// order says which side of a round comes first. It is drawn afresh for each job: were it
// always the same, drift that suits it would hit every job.
type order struct {
	Schema string `json:"schema"`
	Seed   uint64 `json:"seed"`
}

// loadOrder returns the order of the comparison in dir, which is drawn if there is none.
func loadOrder(dir string) (o order, err error) {
	path := filepath.Join(dir, OrderFile)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return newOrder(dir, path)
	}
	if err != nil {
		return o, fmt.Errorf("read order of sides: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := json.NewDecoder(io.LimitReader(file, 1<<10)).Decode(&o); err != nil {
		return o, fmt.Errorf("%s: %w", path, err)
	}
	if o.Schema != orderSchema {
		return o, fmt.Errorf("%s: schema %q is not known to this etcdbench, which reads %q", path, o.Schema, orderSchema)
	}
	return o, nil
}

// newOrder draws an order and keeps it.
func newOrder(dir, path string) (order, error) {
	var random [8]byte
	_, _ = crand.Read(random[:]) // never fails
	o := order{orderSchema, binary.LittleEndian.Uint64(random[:])}
	data, err := json.Marshal(o)
	if err != nil {
		return o, fmt.Errorf("encode order of sides: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return o, fmt.Errorf("save order of sides: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return o, fmt.Errorf("save order of sides: %w", err)
	}
	return o, nil
}

// sides returns the two sides of a round, from 1, in their order.
func (o order) sides(number int) [2]string {
	block, at := (number-1)/blockLength, (number-1)%blockLength
	r := rand.New(rand.NewPCG(o.Seed, uint64(block)))
	if r.Perm(blockLength)[at] < blockLength/2 {
		return [2]string{Baseline, Candidate}
	}
	return [2]string{Candidate, Baseline}
}

// slotSeed returns the seed of both runs of a round.
func slotSeed(seed uint64, number int) uint64 {
	r := rand.New(rand.NewPCG(seed, uint64(number)))
	r.Uint64() // was the order; it is left out so that a seed still means the same keys
	return r.Uint64()>>1 + 1
}
