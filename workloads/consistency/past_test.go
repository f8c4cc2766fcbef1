package consistency

import (
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// The server's history shows what nothing else shows where the outcome of a write is unknown: a
// value that was never written, or written at another revision, and a write that was lost.
func TestPast(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		// history has the values that the server has written to the key, by revision.
		history map[int64]string
		read    Read
		want    string
	}{
		"took effect":       {map[int64]string{2: "one", 4: "two"}, Read{Revision: 5, Modified: 4, Version: 2, Value: []byte("two")}, ""},
		"did not":           {map[int64]string{2: "one"}, Read{Revision: 5, Modified: 2, Version: 1, Value: []byte("one")}, ""},
		"never written":     {map[int64]string{2: "one"}, Read{Revision: 5, Modified: 4, Version: 2, Value: []byte("two")}, "no change of the key at revision 4"},
		"another revision":  {map[int64]string{2: "one", 5: "two"}, Read{Revision: 5, Modified: 4, Version: 2, Value: []byte("two")}, "no change of the key at revision 4"},
		"another version":   {map[int64]string{2: "one", 4: "two"}, Read{Revision: 5, Modified: 4, Version: 3, Value: []byte("two")}, "the put at revision 4"},
		"deleted":           {map[int64]string{2: "one", 4: ""}, Read{Revision: 5, Modified: 4, Version: 2, Value: []byte("two")}, "the deletion at revision 4"},
		"stale":             {map[int64]string{2: "one", 4: "two"}, Read{Revision: 5, Modified: 2, Version: 1, Value: []byte("one")}, "revision 4"},
		"acknowledged lost": {map[int64]string{4: "two"}, Read{Revision: 5, Modified: 4, Version: 2, Value: []byte("two")}, "no change of the key at revision 2"},
		"of nobody":         {map[int64]string{2: "one", 3: "?"}, Read{Revision: 2, Modified: 2, Version: 1, Value: []byte("one")}, "a change that a client of this run has sent"},
	} {
		for _, resolved := range []bool{true, false} {
			c := newChecker(Options{Exclusive: true}, 1<<6)
			c.Begin(1)
			k := c.Claim([]byte("/key"))
			call := c.Send()
			c.Sending(k, 2, call, 0, Write{Value: []byte("one")})
			a := Answer{Operation: OperationPut, Revision: 2, Member: 1}
			c.Answered(call, a, true)
			c.Settled(k, 2, call, a, Done)
			call = c.Send()
			c.Sending(k, 4, call, 0, Write{Value: []byte("two")})
			c.Settled(k, 4, call, Answer{Operation: OperationPut}, Unknown)
			c.Read(k, c.Send(), Answer{Operation: OperationRead, Revision: 5, Member: 2}, test.read)
			list := c.Unresolved()
			if len(list) != 1 || list[0].From != 3 || list[0].Key != "/key" || list[0].Deletable {
				t.Fatalf("%s: unresolved %+v", name, list)
			}
			want := ""
			if resolved {
				want = test.want
				c.Resolve(list[0], Past{Changes: c.changes(test.history), From: 2, Through: 6})
			}
			var proof results.Proof
			c.Verify(&proof)
			got := ""
			for _, v := range proof.Violations {
				got += v.Expected
			}
			if got == "" != (want == "") || !strings.Contains(got, want) {
				t.Errorf("%s, resolved %v: expected %q, want %q", name, resolved, got, want)
			}
		}
	}
}

// changes are the entries of a key's history, in order.
func (c *Checker) changes(values map[int64]string) (list []Change) {
	version := int64(0)
	for revision := range int64(10) {
		value, ok := values[revision]
		switch {
		case !ok:
		case value == "":
			version = 0
			list = append(list, c.Change(revision, 0, nil))
		default:
			version++
			list = append(list, c.Change(revision, version, []byte(value)))
		}
	}
	if _, ok := values[2]; !ok { // the put that is missing counts
		list[0].version++
	}
	return list
}

// Outcomes that the history does not say stay unknown, with the reason.
func TestUnknownStaysUnknown(t *testing.T) {
	t.Parallel()
	c := newChecker(Options{Exclusive: true}, 1<<6)
	c.Begin(1)
	for i, key := range []string{"/a", "/b"} {
		k, call := c.Claim([]byte(key)), c.Send()
		c.Sending(k, uint64(2*i+2), call, 0, Write{Value: []byte("value")})
		c.Settled(k, uint64(2*i+2), call, Answer{Operation: OperationPut}, Unknown)
	}
	list := c.Unresolved()
	c.Resolve(list[0], Past{Changes: []Change{c.Change(2, 1, []byte("value"))}, From: 2, Through: 2})
	c.Unknown("compacted")
	var proof results.Proof
	c.Verify(&proof)
	check := proof.Checks[len(proof.Checks)-1]
	if check.Name != CheckOutcomes || check.Checked != 1 || check.Of != 2 || !strings.Contains(check.Note, "1 took effect, 0 did not; 1 still unknown: compacted") {
		t.Errorf("check %+v", check)
	}
}
