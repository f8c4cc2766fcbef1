package ledger

import (
	"sync/atomic"

	"github.com/cespare/xxhash/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A Space is the part of a ledger for the keys of one prefix. It remembers, for
// each key, the last write that was acknowledged, and how many puts were. Clients
// share a Space without a lock. Its methods may be called on a nil *Space, which
// records nothing.
type Space struct {
	keys    Keys
	removal Removal
	// shared is [Ledger.Shared].
	shared bool
	// Key numbers that leave residue when divided by every are followed.
	every, residue int64
	entries        []entry // by number/every
}

// entry holds the known writes of one key.
type entry struct {
	// last is revision<<hashBits | hash of the value of the last acknowledged write.
	// A revision is never 0 once a write was acknowledged; the hash of a deletion is 0.
	last atomic.Uint64
	// puts is a [tally].
	puts atomic.Uint64
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

func newSpace(k Keys, r Removal, sample uint64) *Space {
	s := &Space{keys: k, removal: r, every: 1 + (k.Count-1)/maxFollowed}
	s.residue = int64(sample % uint64(s.every))
	s.entries = make([]entry, (k.Count-1-s.residue)/s.every+1)
	return s
}

// place returns the index of a key number, and whether the key is followed.
func (s *Space) place(number int64) (int, bool) {
	return int(number / s.every), number%s.every == s.residue
}

// key returns the name of a key number.
func (s *Space) key(number int64) string { return string(s.keys.Append(nil, number)) }

// hash returns the hash of a value. It is the same in every process, so that the records of the
// shares of a run can be merged.
func (s *Space) hash(value []byte) uint64 {
	return max(1, xxhash.Sum64(value)&hashMask)
}

// Wrote notes a put that was acknowledged at a revision.
func (s *Space) Wrote(number, revision int64, value []byte) {
	if s == nil {
		return
	}
	if i, ok := s.place(number); ok {
		e := &s.entries[i]
		// The order of the two matters: see entry.deleted.
		e.note(revision, s.hash(value))
		e.wrote(revision)
	}
}

// Deleted notes a deletion that was acknowledged at a revision.
func (s *Space) Deleted(number, revision int64) {
	if s == nil {
		return
	}
	if i, ok := s.place(number); ok {
		e := &s.entries[i]
		e.note(revision, 0)
		e.deleted(revision)
	}
}

// note keeps the write if it is the last one.
func (e *entry) note(revision int64, hash uint64) {
	entry := uint64(min(max(revision, 0), maxRevision))<<hashBits | hash
	for {
		old := e.last.Load()
		if old >= entry || e.last.CompareAndSwap(old, entry) {
			return
		}
	}
}

// Unknown notes a write that may or may not have taken effect.
func (s *Space) Unknown(number int64) {
	if s != nil {
		if i, ok := s.place(number); ok {
			s.entries[i].unknown()
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

// tooManyRequests is etcd's error when it has too many proposals in progress.
const tooManyRequests = "etcdserver: too many requests"

// Refused reports whether etcd returns the error only if it changes nothing, so
// that the request has certainly not taken effect. A put that exceeds the quota is
// none: the member that answers may have applied it.
func Refused(err error) bool {
	switch status.Code(err) {
	case codes.InvalidArgument, codes.NotFound, codes.AlreadyExists, codes.PermissionDenied, codes.Unauthenticated,
		codes.FailedPrecondition, codes.OutOfRange, codes.Unimplemented:
		return true
	case codes.ResourceExhausted:
		return status.Convert(err).Message() == tooManyRequests
	}
	return false
}
