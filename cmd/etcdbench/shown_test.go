package main

import (
	"strings"
	"testing"
)

// The text of an error shows long values in part and nothing that a terminal would obey.
func TestShownErrors(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for text, want := range map[string]string{
		"run: --rate must be positive, got -1": "run: --rate must be positive, got -1",
		"two\nlines é":                         "two\nlines é",
		"title \x1b]0;evil\x07 and \u202e":     "title �]0;evil� and �",
		"no file " + long + " is here":         "no file " + long[:200] + "… is here",
		`no workload "a ` + long + `"`:         `no workload "a ` + long[:197] + "…",
	} {
		if got := shown(text); got != want {
			t.Errorf("%q: %q, want %q", text[:20], got, want)
		}
	}
}
