package ledger

import (
	"hash/maphash"
	"slices"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A Space is the part of a ledger for the keys of one prefix. It remembers, for
// each key, the last write that was acknowledged. Clients share a Space without
// a lock. Its methods may be called on a nil *Space, which records nothing.
type Space struct {
	keys    Keys
	removal Removal
	seed    maphash.Seed
	// Key numbers that leave residue when divided by every are followed.
	every, residue int64
	// last is revision<<hashBits | hash of the value, by number/every. A revision
	// is never 0 once a write was acknowledged; the hash of a deletion is 0.
	last []atomic.Uint64
	// unsure has a bit for each key with a write whose outcome is unknown: such a
	// write may still take effect after others that came later.
	unsure []atomic.Uint32
}

// A Removal states how a run may remove keys, apart from acknowledged deletions.
type Removal struct {
	// Expiry is set when keys are attached to leases that may end.
	Expiry bool
	// Deletion is set when the run sends requests that delete keys: one of unknown
	// outcome may have removed its key.
	Deletion bool
}

const (
	hashBits    = 24
	hashMask    = 1<<hashBits - 1
	maxRevision = 1<<(64-hashBits) - 1
)

func newSpace(k Keys, r Removal, seed maphash.Seed, sample uint64) *Space {
	s := &Space{keys: k, removal: r, seed: seed, every: 1 + (k.Count-1)/maxFollowed}
	s.residue = int64(sample % uint64(s.every))
	followed := (k.Count-1-s.residue)/s.every + 1
	s.last = make([]atomic.Uint64, followed)
	s.unsure = make([]atomic.Uint32, (followed+31)/32)
	return s
}

// place returns where a key number is kept, and whether it is followed at all.
func (s *Space) place(number int64) (int, bool) {
	return int(number / s.every), number%s.every == s.residue
}

func (s *Space) hash(value []byte) uint64 {
	return max(1, maphash.Bytes(s.seed, value)&hashMask)
}

// Wrote notes a write that was acknowledged at a revision.
func (s *Space) Wrote(number, revision int64, value []byte) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.note(i, revision, s.hash(value))
		}
	}
}

// Deleted notes a deletion that was acknowledged at a revision.
func (s *Space) Deleted(number, revision int64) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.note(i, revision, 0)
		}
	}
}

func (s *Space) note(i int, revision int64, hash uint64) {
	entry := uint64(min(revision, maxRevision))<<hashBits | hash
	for {
		old := s.last[i].Load()
		if old >= entry || s.last[i].CompareAndSwap(old, entry) {
			return
		}
	}
}

// Unknown notes a write that may or may not have taken effect.
func (s *Space) Unknown(number int64) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.unsure[i/32].Or(1 << (i % 32))
		}
	}
}

// Failed notes a write that was answered with an error. Its outcome is unknown
// unless the error says that etcd refused it.
func (s *Space) Failed(number int64, err error) {
	if s != nil && !Refused(err) {
		s.Unknown(number)
	}
}

// Refused reports whether etcd gives the error before it proposes anything, so
// that the request has certainly not taken effect.
func Refused(err error) bool {
	return slices.Contains([]codes.Code{
		codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented, codes.ResourceExhausted,
	}, status.Code(err))
}
