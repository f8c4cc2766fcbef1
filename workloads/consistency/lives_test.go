package consistency

import (
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// A key has one creation from its first put to its deletion, in whichever order that is learned.
func TestLives(t *testing.T) {
	t.Parallel()
	read := func(revision, modified, version, created int64) Read {
		return Read{Revision: revision, Modified: modified, Version: version, Created: created}
	}
	for name, test := range map[string]struct {
		reads []Read
		want  string
	}{
		"one life":                 {[]Read{read(5, 2, 1, 2), read(6, 6, 2, 2), read(9, 6, 2, 2)}, ""},
		"two lives":                {[]Read{read(5, 2, 1, 2), read(6, 0, 0, 0), read(9, 8, 2, 7)}, ""},
		"two lives, backwards":     {[]Read{read(9, 8, 2, 7), read(6, 0, 0, 0), read(5, 2, 1, 2)}, ""},
		"existed":                  {[]Read{read(5, 2, 1, 2), read(9, -1, 0, 2)}, ""},
		"another creation":         {[]Read{read(5, 3, 2, 2), read(6, 3, 2, 1)}, "created at revision 2"},
		"existed, another":         {[]Read{read(9, -1, 0, 2), read(6, -1, 0, 3)}, "created at revision 2"},
		"created while alive":      {[]Read{read(9, 2, 1, 2), read(9, -1, 0, 7)}, "created at revision 2"},
		"gone within":              {[]Read{read(9, -1, 0, 2), read(5, 0, 0, 0)}, "created at revision 2"},
		"gone within, backwards":   {[]Read{read(5, 0, 0, 0), read(9, -1, 0, 2)}, "no key, as of revision 5"},
		"gone at the creation":     {[]Read{read(2, 0, 0, 0), read(9, -1, 0, 2)}, "no key, as of revision 2"},
		"created later":            {[]Read{read(5, 3, 1, 4)}, "a key created at or before its revision"},
		"existed before creation":  {[]Read{read(5, -1, 0, 6)}, "a key created at or before its revision"},
		"first version is created": {[]Read{read(5, 3, 1, 2)}, "version 1 if and only if"},
		"second version is not":    {[]Read{read(5, 3, 2, 3)}, "version 1 if and only if"},
	} {
		c := newChecker(Options{}, 1<<6)
		c.Begin(1)
		k := c.Claim([]byte("/key"))
		for _, r := range test.reads {
			if a := (Answer{Operation: OperationRead, Revision: r.Revision}); r.Modified < 0 {
				c.Existed(k, c.Send(), a, r.Revision, r.Created)
			} else {
				c.Read(k, c.Send(), a, r)
			}
		}
		var proof results.Proof
		c.Verify(&proof)
		got := ""
		for _, v := range proof.Violations {
			got += v.Expected
		}
		if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: expected %q, want %q", name, got, test.want)
		}
	}
}
