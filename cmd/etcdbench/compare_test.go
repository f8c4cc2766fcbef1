package main

import (
	"strings"
	"testing"
)

// A flag after the results of the base is an error that names it.
func TestSidesOfAComparison(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		dash int
		base int
		err  string
	}{
		{[]string{"a", "b"}, -1, 1, ""}, {[]string{"a", "b", "c"}, 2, 2, ""},
		{[]string{"a", "b", "c"}, -1, 0, "two sides"}, {[]string{"a"}, 1, 0, "two sides"}, {nil, 0, 0, "two sides"},
		{[]string{"a", "b", "--format", "html"}, 1, 0, "--format is after --"},
	} {
		base, err := splitAt(c.args, c.dash)
		if base != c.base || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%v: %d, %v", c.args, base, err)
		}
	}
}
