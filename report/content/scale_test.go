package content_test

import (
	"slices"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
)

// Sizes have the unit in which they were asked for, although a number of objects is whole.
func TestScaleSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		-1: "0 B", 0: "0 B", 7: "7 B", 999: "999 B", 4_096: "4.1 kB", 95_997_952: "96 MB", 255_991_808: "256 MB",
		999_997_440: "1.0 GB", 3_999_993_856: "4.0 GB",
	} {
		if got := content.ScaleSize(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// An event that was not measured has no length.
func TestSkippedEventHasNoLength(t *testing.T) {
	t.Parallel()
	s := &results.Scale{Rungs: []results.ScaleRung{{Size: 1000, Events: []results.ScaleEvent{
		{Kind: "list", Length: 3 * time.Microsecond, Skipped: "one response cannot contain 4.0 GB"},
	}}}}
	if _, rows := content.ScaleEvents(s); rows[0][2] != "–" {
		t.Errorf("%q", rows[0])
	}
}

func TestScaleNotes(t *testing.T) {
	s := &results.Scale{Rungs: []results.ScaleRung{
		{Size: 1e6, Validity: results.Valid},
		{Size: 2e6, Validity: results.Degraded},
		{Size: 3e6, Validity: results.Invalid},
		{Size: 4e6, Findings: []string{"the population ended"}},
	}}
	want := []string{
		"2.0 MB: the generator was degraded",
		"3.0 MB: measurement invalid: the generator, not etcd, was the limit in the steady state",
		"4.0 MB: the population ended",
	}
	if got := content.ScaleNotes(s); !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
}
