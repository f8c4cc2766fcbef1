package ledger

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/results"
)

// Found is a key as it was read back. Its slices are valid only during the call.
type Found struct {
	Key, Value []byte
	// Modified and Created are the revisions of the key's last put, and of the first put since it
	// was last removed.
	Modified, Created int64
	// Version counts the puts from the first to the last of these.
	Version int64
}

// At is where keys were read: at a revision of the store, from a member. Member is the ID of
// the member, and 0 if several have answered.
type At struct {
	Revision int64
	Member   uint64
}

// A Reader calls visit with every key under a prefix, all at one revision of the store. A
// revision of 0 requests the present one. For other revisions, values may be omitted.
type Reader func(ctx context.Context, prefix string, revision int64, visit func(Found)) (At, error)

// Verify reads every key back and adds its checks to the proof: each key holds its last
// acknowledged write, and its version matches the acknowledged writes; each revision was
// acknowledged in order and once; and the store's revision grew by the number of writes. The
// clients must be at rest. A check that cannot be made is skipped and is not an error. The
// present revision must be from a linearizable read.
func (l *Ledger) Verify(ctx context.Context, present int64, read Reader, proof *results.Proof) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.spaces {
		s.shared = l.shared
		s.verify(ctx, l.begin, read, proof)
	}
	var acknowledged, unknown uint64
	for _, a := range l.accounts {
		acknowledged += a.acknowledged
		unknown += a.unknown
	}
	if acknowledged == 0 {
		return
	}
	proof.Checks = append(proof.Checks, results.Check{
		Name: "revisions", Checked: acknowledged, Of: acknowledged,
		Note: "each write has its own revision, above all that were acknowledged before it was sent",
	})
	for _, a := range l.accounts {
		a.report(proof)
	}
	proof.Merge(l.merged)
	l.verifyGrowth(acknowledged, unknown, present, proof)
}

// verifyGrowth compares the growth of the store's revision with the acknowledged writes: each
// write has its own revision.
func (l *Ledger) verifyGrowth(acknowledged, unknown uint64, present int64, proof *results.Proof) {
	check := results.Check{Name: "growth", Of: acknowledged}
	defer func() { proof.Checks = append(proof.Checks, check) }()
	switch {
	case l.begin == 0:
		check.Skipped = "the store's revision before the first write is unknown"
		return
	case present == 0:
		check.Skipped = "the store's present revision is unknown"
		return
	}
	grown, exact := present-l.begin, l.otherWrites == ""
	check.Checked = acknowledged
	check.Note = "the store's revision grew by " + humanize.Comma(grown)
	expected := fmt.Sprintf("the store's revision to grow by %s, one for each acknowledged write", humanize.Comma(int64(acknowledged)))
	if unknown > 0 {
		check.Note += fmt.Sprintf(", with %s of unknown outcome", english.Plural(int(unknown), "write", ""))
		expected += fmt.Sprintf(", and at most %d of unknown outcome", unknown)
	}
	if !exact {
		check.Note += fmt.Sprintf("; a lower bound, as %s", l.otherWrites)
	}
	lost := int64(acknowledged) - grown
	switch {
	case lost > 0:
		proof.Violate(results.Violation{Check: "growth", Expected: expected,
			Found: fmt.Sprintf("by %d; acknowledged writes lost: %d", grown, lost)})
	case exact && -lost > int64(unknown):
		proof.Violate(results.Violation{Check: "growth", Expected: expected,
			Found: fmt.Sprintf("by %d; changes that no client of this run made: %d", grown, -lost-int64(unknown))})
	}
	if highest := l.highest.Load(); highest > present {
		proof.Violate(results.Violation{Check: "growth",
			Expected: fmt.Sprintf("the store at revision %s or above, which was acknowledged", humanize.Comma(highest)),
			Found:    "revision " + humanize.Comma(present)})
	}
}

// verify reads every key of the space. begin is the store's revision before the run.
func (s *Space) verify(ctx context.Context, begin int64, read Reader, proof *results.Proof) {
	r := &reading{space: s, begin: begin, proof: proof, first: len(proof.Violations), seen: make([]bool, len(s.entries))}
	r.sent = time.Now().Round(0)
	at, err := read(ctx, s.keys.Prefix, 0, r.present)
	r.at, r.answered = at, time.Now().Round(0)
	if err == nil && r.older != nil {
		err = r.compareWithBegin(ctx, read)
	}
	check := results.Check{Name: "keys", Note: "each holds its last acknowledged write, and its version matches the acknowledged writes"}
	switch {
	case at.Revision == 0 && err != nil:
		check.Skipped = err.Error()
	case err != nil:
		proof.Checks = append(proof.Checks, results.Check{Name: "puts of older keys", Skipped: err.Error()})
	}
	if at.Revision > 0 {
		for i := range s.entries {
			if !r.seen[i] {
				r.judge(i, Found{})
			}
			if s.entries[i].last.Load() != 0 {
				check.Checked++
			}
		}
	}
	check.Of = check.Checked
	r.date()
	if s.every > 1 {
		check.Of = check.Checked * uint64(s.every)
		check.Note += fmt.Sprintf(", one key in %d followed", s.every)
	}
	if r.foreign > 0 {
		check.Note += fmt.Sprintf("; writes of keys by other clients: %d", r.foreign)
	}
	proof.Checks = append(proof.Checks, check)
}

// reading is the state of reading a space.
type reading struct {
	space *Space
	begin int64
	proof *results.Proof
	// first is the index of the first violation of the reading.
	first int
	// sent and answered are the interval in which all keys were read.
	sent, answered time.Time
	at             At
	seen           []bool
	// foreign counts the keys that other clients have written.
	foreign uint64
	// older has the versions plus one of keys that are older than the run: their growth is
	// compared with the versions at the beginning. It is nil if there are none.
	older []int64
}

// present handles a key at the present revision.
func (r *reading) present(f Found) {
	i, ok := r.place(f.Key)
	if !ok {
		return
	}
	r.seen[i] = true
	switch {
	case !r.judge(i, f):
	case f.Created > r.begin || r.begin == 0:
		r.judgePuts(i, f, f.Version)
	default:
		if r.older == nil {
			r.older = make([]int64, len(r.seen))
		}
		r.older[i] = f.Version + 1
	}
}

// place returns the index of the key, if it is followed.
func (r *reading) place(key []byte) (int, bool) {
	n, ok := r.space.keys.Number(key)
	if !ok {
		return 0, false
	}
	return r.space.place(n)
}

// compareWithBegin reads the keys at the revision before the run.
func (r *reading) compareWithBegin(ctx context.Context, read Reader) error {
	_, err := read(ctx, r.space.keys.Prefix, r.begin, func(f Found) {
		if i, ok := r.place(f.Key); ok && r.older[i] > 0 {
			present := r.older[i] - 1
			r.judgePuts(i, Found{Version: present}, present-f.Version)
			r.older[i] = 0
		}
	})
	if err != nil {
		return fmt.Errorf("read the keys as they were before the run: %w", err)
	}
	return nil
}

// judge compares a key with its last acknowledged write, and returns false if its version
// cannot be compared.
func (r *reading) judge(i int, f Found) bool {
	expected, got, ok := r.space.judge(i, f)
	switch {
	case ok:
	case r.space.shared && r.space.overwritten(i, f):
		r.foreign++
		return f.Created <= r.space.revision(i) // otherwise another client removed it before
	default:
		r.violate(i, f, expected, got)
	}
	return ok
}

// judgePuts compares the growth of a key's version with its acknowledged puts.
func (r *reading) judgePuts(i int, f Found, grown int64) {
	if expected, got, ok := r.space.judgePuts(i, grown); !ok {
		r.violate(i, f, expected, got)
	}
}

// violate adds a violation by the found state of a key, with its last acknowledged write.
func (r *reading) violate(i int, f Found, expected, got string) {
	key := r.space.key(int64(i)*r.space.every + r.space.residue)
	last := r.space.entries[i].last.Load()
	against := &results.ProofOperation{Name: "put", Key: key, Revision: int64(last >> hashBits), Conn: results.NoConn}
	if last&hashMask == 0 {
		against.Name = "delete"
	}
	r.proof.Violate(results.Violation{
		Check: "keys", Key: key, Expected: expected, Found: got, Against: against,
		Operation: &results.ProofOperation{
			Name: "read", Key: key, Modified: f.Modified, Version: f.Version, HeaderOnly: f.Modified == 0 && f.Version > 0, Conn: results.NoConn,
		},
	})
}

// date adds when and where the keys were read to the violations.
func (r *reading) date() {
	for i := r.first; i < len(r.proof.Violations); i++ {
		o := r.proof.Violations[i].Operation
		o.Sent, o.Answered, o.Revision = r.sent, r.answered, r.at.Revision
		if r.at.Member != 0 {
			o.Member = strconv.FormatUint(r.at.Member, 16)
		}
	}
}

// judgePuts compares the growth of a key's version with its acknowledged puts. If they do not
// match, it returns the expected and the found value, and false.
func (s *Space) judgePuts(i int, grown int64) (expected, got string, ok bool) {
	t := tally(s.entries[i].puts.Load())
	if s.entries[i].last.Load() == 0 {
		return "", "", true
	}
	return t.judge(grown, !s.removal.Expiry && (!s.removal.Deletion || t.unknown() == 0), s.shared)
}

// revision returns the revision of the key's last acknowledged write.
func (s *Space) revision(i int) int64 { return int64(s.entries[i].last.Load() >> hashBits) }

// overwritten reports whether a key was written after its last acknowledged write.
func (s *Space) overwritten(i int, f Found) bool {
	return f.Modified > s.revision(i) && f.Created >= tally(s.entries[i].puts.Load()).boundary()
}

// judge compares a key with its last acknowledged write; the zero value means no key. If they
// do not match, it returns the expected and the found value, and false.
func (s *Space) judge(i int, f Found) (expected, got string, ok bool) {
	last, puts := s.entries[i].last.Load(), tally(s.entries[i].puts.Load())
	if last == 0 {
		return "", "", true
	}
	revision, hash := int64(last>>hashBits), last&hashMask
	unsure := puts.unknown() > 0
	switch {
	case f.Modified > 0 && f.Created < puts.boundary():
		return "no key older than its deletion at revision " + humanize.Comma(puts.boundary()),
			"one created at revision " + humanize.Comma(f.Created), false
	case unsure && hash == 0, unsure && f.Modified >= revision:
		return "", "", true // either
	case hash == 0 && f.Modified == 0:
		return "", "", true
	case f.Modified == 0 && (s.removal.Expiry || unsure && s.removal.Deletion):
		return "", "", true
	case f.Modified == revision && hash != 0 && s.hash(f.Value) == hash:
		return "", "", true
	}
	return s.wording(revision, hash, unsure, f)
}

// wording returns the texts for the expected and the found value of a key.
func (s *Space) wording(revision int64, hash uint64, unsure bool, f Found) (expected, got string, ok bool) {
	expected = "the value written at revision " + humanize.Comma(revision)
	if hash == 0 {
		expected = "no key: it was deleted at revision " + humanize.Comma(revision)
	}
	if unsure {
		expected += " or a later one"
	}
	switch {
	case f.Modified == 0:
		got = "no key"
	case f.Modified == revision:
		got = fmt.Sprintf("another value of %d bytes at that revision", len(f.Value))
	default:
		got = "a value written at revision " + humanize.Comma(f.Modified)
		if f.Modified > revision {
			got += ", which was not acknowledged to a client of this run"
		}
	}
	return expected, got, false
}
