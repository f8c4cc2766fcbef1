package ledger

import (
	"fmt"

	"github.com/etcdbench/etcdbench/results"
)

// A Record holds the data of a ledger as plain data. It belongs to a share of a run, and is
// merged with the records of the other shares.
type Record struct {
	Spaces                []SpaceRecord
	Highest               int64
	Acknowledged, Unknown uint64
	// Found holds the violations of the order of revisions.
	Found results.Proof
}

// A SpaceRecord is the part of a record for the keys of one prefix. It lists the written keys
// by place.
type SpaceRecord struct {
	Keys    Keys
	Removal Removal
	Places  []int
	Last    []uint64
	Puts    []uint64
}

// Record returns the ledger's record. The clients must be at rest. The record of a nil ledger
// is empty.
func (l *Ledger) Record() (r Record) {
	if l == nil {
		return r
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r.Highest = l.highest.Load()
	for _, a := range l.accounts {
		r.Acknowledged += a.acknowledged
		r.Unknown += a.unknown
		a.report(&r.Found)
	}
	for _, s := range l.spaces {
		own := SpaceRecord{Keys: s.keys, Removal: s.removal}
		for i := range s.entries {
			if last, puts := s.entries[i].last.Load(), s.entries[i].puts.Load(); last != 0 || puts != 0 {
				own.Places, own.Last, own.Puts = append(own.Places, i), append(own.Last, last), append(own.Puts, puts)
			}
		}
		r.Spaces = append(r.Spaces, own)
	}
	return r
}

// Merge adds the record of another ledger of the same run.
func (l *Ledger) Merge(r Record) error {
	if l == nil {
		return nil
	}
	for _, from := range r.Spaces {
		if from.Keys.Count < 1 || len(from.Last) != len(from.Places) || len(from.Puts) != len(from.Places) {
			return fmt.Errorf("ledger of the keys under %q: malformed", from.Keys.Prefix)
		}
		s := l.Space(from.Keys, from.Removal)
		for k, i := range from.Places {
			if i < 0 || i >= len(s.entries) {
				return fmt.Errorf("ledger of the keys under %q: place %d is none of %d", from.Keys.Prefix, i, len(s.entries))
			}
			s.entries[i].merge(from.Last[k], tally(from.Puts[k]))
		}
	}
	raise(&l.highest, r.Highest)
	account := &Account{}
	l.Register(account)
	account.acknowledged, account.unknown = r.Acknowledged, r.Unknown
	l.mu.Lock()
	defer l.mu.Unlock()
	l.merged.Merge(r.Found)
	return nil
}

// merge adds another process's record of a key. No client is active.
func (e *entry) merge(last uint64, puts tally) {
	ownLast, own := e.last.Load(), tally(e.puts.Load())
	older, newer, olderLast := own, puts, ownLast
	if own.boundary() > puts.boundary() {
		older, newer, olderLast = puts, own, last
	}
	sum := uint64(newer.boundary())<<hashBits | uint64(min(own.unknown()+puts.unknown(), unknownMax))<<unknownShift
	count, low, wrapped := newer.count(), newer.low(), newer.wrapped()
	if older.boundary() == newer.boundary() {
		count += older.count()
		low = low || older.low()
		wrapped = wrapped || older.wrapped() || count > countMask
	} else if int64(olderLast>>hashBits) > newer.boundary() {
		// Some of its puts came after the deletion. Their number is unknown.
		low = true
	}
	sum |= uint64(count) & countMask
	if low {
		sum |= lowBit
	}
	if wrapped {
		sum |= wrappedBit
	}
	e.puts.Store(sum)
	e.last.Store(max(ownLast, last))
}
