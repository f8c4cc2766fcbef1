package workloads

import (
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ledgerKeys is how many keys a run's ledger follows exactly, at 8 bytes each.
// Of more keys it follows a sample.
const ledgerKeys = 4 << 20

// ledger remembers, for each key, the last write that was acknowledged, so that
// a run can prove that it is still there. Its memory is set by the number of
// keys, not of writes. Workers share it without a lock.
type ledger struct {
	seed   maphash.Seed
	sample uint64

	mu      sync.Mutex
	spaces  []*ledgerSpace
	writers []*writer
}

// acknowledged adds up what the writers have seen. They must be at rest.
func (l *ledger) acknowledged() (acked, wentBack uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.writers {
		acked += w.acknowledged
		wentBack += w.wentBack
	}
	return acked, wentBack
}

// register takes a writer into the account.
func (l *ledger) register(w *writer) {
	if l != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.writers = append(l.writers, w)
	}
}

func newLedger(seed uint64) *ledger { return &ledger{seed: maphash.MakeSeed(), sample: seed} }

// ledgerSpace is the part of a ledger for one prefix's keys.
type ledgerSpace struct {
	*ledger
	prefix string
	keys   Keys
	// Of the key numbers, those are followed that leave residue when divided by every.
	every, residue int64
	// last is revision<<hashBits | hash of the value, by number/every. A revision
	// is never 0 once a write was acknowledged; the hash of a deletion is 0.
	last []atomic.Uint64
	// unsure has a bit for each key with a write whose outcome is unknown: such a
	// write may still take effect after others that came later.
	unsure []atomic.Uint32
	fate
}

// fate says how keys may come to an end.
type fate struct {
	// expires: with a lease. deletes: by requests of the run's own.
	expires, deletes bool
}

const (
	hashBits    = 24
	hashMask    = 1<<hashBits - 1
	maxRevision = 1<<(64-hashBits) - 1
)

// space returns the ledger of a prefix's keys; workloads that write the same
// keys share it. It is nil, and may be used, when l is.
func (l *ledger) space(prefix string, k Keys, f fate) *ledgerSpace {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.spaces {
		if s.prefix == prefix && s.keys.Size == k.Size && s.keys.Space == k.Space {
			s.expires, s.deletes = s.expires || f.expires, s.deletes || f.deletes
			return s
		}
	}
	s := &ledgerSpace{ledger: l, prefix: prefix, keys: k, every: 1 + (k.Space-1)/ledgerKeys, fate: f}
	s.residue = int64(scramble(l.sample) % uint64(s.every))
	followed := (k.Space-1-s.residue)/s.every + 1
	s.last = make([]atomic.Uint64, followed)
	s.unsure = make([]atomic.Uint32, (followed+31)/32)
	l.spaces = append(l.spaces, s)
	return s
}

// place returns where a key number is kept, and whether it is followed at all.
func (s *ledgerSpace) place(number int64) (int, bool) {
	return int(number / s.every), number%s.every == s.residue
}

func (s *ledgerSpace) hash(value []byte) uint64 {
	return max(1, maphash.Bytes(s.seed, value)&hashMask)
}

// wrote notes a write that was acknowledged at a revision.
func (s *ledgerSpace) wrote(number, revision int64, value []byte) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.note(i, revision, s.hash(value))
		}
	}
}

// deleted notes a deletion that was acknowledged at a revision.
func (s *ledgerSpace) deleted(number, revision int64) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.note(i, revision, 0)
		}
	}
}

func (s *ledgerSpace) note(i int, revision int64, hash uint64) {
	entry := uint64(min(revision, maxRevision))<<hashBits | hash
	for {
		old := s.last[i].Load()
		if old >= entry || s.last[i].CompareAndSwap(old, entry) {
			return
		}
	}
}

// unknown notes a write that may or may not have taken effect.
func (s *ledgerSpace) unknown(number int64) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.unsure[i/32].Or(1 << (i % 32))
		}
	}
}

// failed notes a write that was answered with an error, which leaves its outcome
// open unless the error says that it was refused.
func (s *ledgerSpace) failed(number int64, err error) {
	if s != nil && !refused(err) {
		s.unknown(number)
	}
}

// refused tells errors that etcd gives before it proposes anything.
func refused(err error) bool {
	return slices.Contains([]codes.Code{
		codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.ResourceExhausted,
	}, status.Code(err))
}

// found is a key as it was read back.
type found struct {
	revision int64 // 0: there is none
	value    []byte
}

// judge compares a key that was read back with its last acknowledged write. It
// returns what was expected and what was found when they do not go together.
func (s *ledgerSpace) judge(i int, f found) (expected, got string, ok bool) {
	entry := s.last[i].Load()
	if entry == 0 {
		return "", "", true
	}
	revision, hash := int64(entry>>hashBits), entry&hashMask
	unsure := s.unsure[i/32].Load()&(1<<(i%32)) != 0
	switch {
	case unsure && hash == 0, unsure && f.revision >= revision:
		return "", "", true // either
	case hash == 0 && f.revision == 0:
		return "", "", true
	case f.revision == 0 && (s.expires || unsure && s.deletes):
		return "", "", true
	case f.revision == revision && hash != 0 && s.hash(f.value) == hash:
		return "", "", true
	}
	expected = fmt.Sprintf("the value written at revision %d", revision)
	if hash == 0 {
		expected = fmt.Sprintf("no key: it was deleted at revision %d", revision)
	}
	if unsure {
		expected += " or a later one"
	}
	switch {
	case f.revision == 0:
		got = "no key"
	case f.revision == revision:
		got = fmt.Sprintf("another value of %d bytes at that revision", len(f.value))
	default:
		got = fmt.Sprintf("a value written at revision %d", f.revision)
		if f.revision > revision {
			got += ", which no client of this run was told of"
		}
	}
	return expected, got, false
}
