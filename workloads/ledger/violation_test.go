package ledger

import (
	"context"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// A violation of a key has the last acknowledged write of the key, and when, where and what was
// read of it. The time of the write is not recorded.
func TestViolationsHaveTheLastWrite(t *testing.T) {
	for name, c := range map[string]struct {
		write   func(s *Space)
		found   []Found // at the present revision, and at that of the beginning
		against results.ProofOperation
		read    results.ProofOperation
	}{
		"a lost key": {
			write:   func(s *Space) { s.Wrote(0, 12, []byte("a")) },
			against: results.ProofOperation{Name: "put", Revision: 12},
		},
		"a deletion that was lost": {
			write:   func(s *Space) { s.Wrote(0, 12, []byte("a")); s.Deleted(0, 13) },
			found:   []Found{{Modified: 12, Created: 12, Version: 1, Value: []byte("a")}},
			against: results.ProofOperation{Name: "delete", Revision: 13},
			read:    results.ProofOperation{Modified: 12, Version: 1},
		},
		"a lost put that was overwritten": {
			write:   func(s *Space) { s.Wrote(0, 12, []byte("a")); s.Wrote(0, 13, []byte("b")) },
			found:   []Found{{Modified: 13, Created: 13, Version: 1, Value: []byte("b")}},
			against: results.ProofOperation{Name: "put", Revision: 13},
			read:    results.ProofOperation{Modified: 13, Version: 1},
		},
		"a lost put of an older key": {
			write:   func(s *Space) { s.Wrote(0, 12, []byte("a")); s.Wrote(0, 13, []byte("b")) },
			found:   []Found{{Modified: 13, Created: 5, Version: 8, Value: []byte("b")}, {Modified: 9, Created: 5, Version: 7}},
			against: results.ProofOperation{Name: "put", Revision: 13},
			read:    results.ProofOperation{Version: 8, HeaderOnly: true},
		},
	} {
		l := New(1)
		l.Begin(10)
		s := l.Space(Keys{Prefix: "/p/", Size: 10, Count: 1}, Removal{Deletion: true})
		c.write(s)
		var proof results.Proof
		l.Verify(t.Context(), 20, func(_ context.Context, _ string, revision int64, visit func(Found)) (At, error) {
			for i, f := range c.found {
				if f.Key = []byte(s.key(0)); (i == 1) == (revision == 10) {
					visit(f)
				}
			}
			return At{Revision: 20, Member: 0xb2}, nil
		}, &proof)
		if len(proof.Violations) != 1 || proof.Violations[0].Against == nil || proof.Violations[0].Operation == nil {
			t.Errorf("%s: %+v", name, proof.Violations)
			continue
		}
		v := proof.Violations[0]
		c.against.Key, c.against.Conn = s.key(0), results.NoConn
		if *v.Against != c.against {
			t.Errorf("%s: against %+v, want %+v", name, v.Against, c.against)
		}
		if v.Operation.Answered.Before(v.Operation.Sent) || v.Operation.Sent.IsZero() {
			t.Errorf("%s: interval of %+v", name, v.Operation)
		}
		c.read.Name, c.read.Key, c.read.Revision, c.read.Member, c.read.Conn = "read", s.key(0), 20, "b2", results.NoConn
		if c.read.Sent, c.read.Answered = v.Operation.Sent, v.Operation.Answered; *v.Operation != c.read {
			t.Errorf("%s: operation %+v, want %+v", name, v.Operation, c.read)
		}
	}
}
