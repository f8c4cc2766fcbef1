package workloads

import (
	"fmt"
	"maps"
	"slices"
)

// writesRecord is the record of one process.
type writesRecord struct {
	Start, Largest int64
	Written        bool
	// Gaps are the differences between consecutive revisions, minus start.
	Gaps []uint32
	// UnsureKeys and Unsure are the hashes of [Writes].
	UnsureKeys, Unsure []uint64
}

// Record returns the record, for [Writes.Merge] in another process. The record of nil is empty.
func (w *Writes) Record() ([]byte, error) {
	if w == nil {
		return nil, nil
	}
	r := writesRecord{Start: w.start, Largest: w.largest.Load(), Written: w.written.Load()}
	last := uint32(0)
	w.revisions.each(func(n uint32) bool {
		r.Gaps, last = append(r.Gaps, n-last), n
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	r.UnsureKeys = slices.Collect(maps.Keys(w.unsureKeys))
	r.Unsure = slices.Collect(maps.Keys(w.unsure))
	return pack(r)
}

// Merge adds the record of another process of the same run.
func (w *Writes) Merge(data []byte) error {
	if w == nil || len(data) == 0 {
		return nil
	}
	var r writesRecord
	if err := unpack(data, &r); err != nil {
		return fmt.Errorf("writes of an agent: %w", err)
	}
	n := r.Start - w.start
	for _, gap := range r.Gaps {
		n += int64(gap)
		w.acknowledged(w.start + n)
	}
	if r.Written {
		w.written.Store(true)
	}
	w.largest.Store(max(w.largest.Load(), r.Largest))
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, hash := range r.UnsureKeys[:min(len(r.UnsureKeys), maxUnsure)] {
		w.unsureKeys[hash] = struct{}{}
	}
	for _, hash := range r.Unsure[:min(len(r.Unsure), max(0, maxUnsure-len(w.unsure)))] {
		w.unsure[hash] = false
	}
	return nil
}
