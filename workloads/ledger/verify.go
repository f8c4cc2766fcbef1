package ledger

import (
	"context"
	"fmt"

	"github.com/etcdbench/etcdbench/results"
)

// A Reader calls visit with every key under a prefix, the revision of the key's
// last modification and its value, all as of one revision of the store.
type Reader func(ctx context.Context, prefix string, visit func(key []byte, revision int64, value []byte)) error

// Verify reads every key back and adds two checks to the proof: that each key
// holds its last acknowledged write, and that the revisions of each client's
// acknowledgements grew. The clients must be at rest. A space that cannot be read
// is a skipped check, not an error.
func (l *Ledger) Verify(ctx context.Context, read Reader, proof *results.Proof) {
	for _, s := range l.spaces {
		if err := s.verify(ctx, read, proof); err != nil {
			proof.Checks = append(proof.Checks, results.Check{Name: "keys", Skipped: err.Error()})
		}
	}
	acknowledged, decreased := l.totals()
	if acknowledged > 0 {
		proof.Checks = append(proof.Checks, results.Check{
			Name: "revisions", Checked: acknowledged, Of: acknowledged, Note: "each client's acknowledgements at growing revisions",
		})
	}
	if decreased > 0 {
		proof.Violate(results.Violation{
			Check: "revisions", Expected: "revisions that grow",
			Found: fmt.Sprintf("%d acknowledgements at a revision not above the client's last", decreased),
		})
	}
}

// verify reads every key of the space back.
func (s *Space) verify(ctx context.Context, read Reader, proof *results.Proof) error {
	seen := make([]bool, len(s.last))
	judge := func(i int, f found) {
		if expected, got, ok := s.judge(i, f); !ok {
			key := s.keys.Append(nil, int64(i)*s.every+s.residue)
			proof.Violate(results.Violation{Check: "keys", Key: string(key), Expected: expected, Found: got})
		}
	}
	err := read(ctx, s.keys.Prefix, func(key []byte, revision int64, value []byte) {
		n, ok := s.keys.Number(key)
		if !ok {
			return
		}
		if i, ok := s.place(n); ok {
			seen[i] = true
			judge(i, found{revision, value})
		}
	})
	if err != nil {
		return err
	}
	check := results.Check{Name: "keys", Note: "each holds its last acknowledged write"}
	for i := range s.last {
		if !seen[i] {
			judge(i, found{})
		}
		if s.last[i].Load() != 0 {
			check.Checked++
		}
	}
	check.Of = check.Checked
	if s.every > 1 {
		check.Of = check.Checked * uint64(s.every)
		check.Note += fmt.Sprintf(", one key in %d followed", s.every)
	}
	proof.Checks = append(proof.Checks, check)
	return nil
}

// found is a key as it was read back.
type found struct {
	revision int64 // 0: there is none
	value    []byte
}

// judge compares a key that was read back with its last acknowledged write. When
// they do not match, it returns what was expected, what was found, and false.
func (s *Space) judge(i int, f found) (expected, got string, ok bool) {
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
	case f.revision == 0 && (s.removal.Expiry || unsure && s.removal.Deletion):
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
