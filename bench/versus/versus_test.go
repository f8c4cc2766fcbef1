package versus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake makes runs whose cost is what it is told, and saves them.
type fake struct {
	t     *testing.T
	slots []versus.Slot
	// allocs is an operation's cost; void says which runs were not valid.
	allocs func(s versus.Slot) float64
	void   func(s versus.Slot) bool
	fail   func(s versus.Slot) error
}

func (f *fake) run(_ context.Context, s versus.Slot) (*results.Run, error) {
	f.slots = append(f.slots, s)
	if f.fail != nil {
		if err := f.fail(s); err != nil {
			return nil, err
		}
	}
	run := &results.Run{
		Schema: results.Schema, ID: s.Side, Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
		Server: &results.Server{Cost: []results.Cost{{Phase: "measure", Operations: 1000, Figures: map[string]float64{"allocs": f.allocs(s)}}}},
	}
	if f.void != nil && f.void(s) {
		run.Validity.Verdict = results.Invalid
	}
	dir, err := results.Create(s.Dir)
	if err != nil {
		return nil, err
	}
	return run, errors.Join(dir.WriteRun(run), dir.Close())
}

func steady(extra float64) func(versus.Slot) float64 {
	return func(s versus.Slot) float64 {
		v := 200 + float64(s.Round%5)*0.1
		if s.Side == versus.Candidate {
			v *= 1 + extra
			v += float64(s.Round%3) * 0.05
		}
		return v
	}
}

func options(t *testing.T, f *fake) versus.Options {
	rules := judge.DefaultRules()
	rules.Primary = []string{"allocs"}
	f.t = t
	return versus.Options{Dir: t.TempDir(), Rules: rules, Seed: 7, Run: f.run}
}

// Sides come in an order that is drawn for each round, with the same seed, and a
// verdict that can be had early ends the comparison.
func TestRounds(t *testing.T) {
	for name, tc := range map[string]struct {
		extra float64
		want  string
	}{"the same": {0, results.Pass}, "a little": {0.01, results.Pass}, "much": {0.05, results.Fail}} {
		f := &fake{allocs: steady(tc.extra)}
		o := options(t, f)
		var told []versus.Progress
		o.Progress = func(p versus.Progress) { told = append(told, p) }
		out, err := versus.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if out.Verdict != tc.want || len(out.Rounds) != 12 || len(told) != 12 || told[11].Verdict != tc.want || told[10].Verdict != "" {
			t.Errorf("%s: %s (%s) after %d rounds, want %s", name, out.Verdict, out.Reason, len(out.Rounds), tc.want)
		}
		first := map[string]int{}
		for i := 0; i < len(f.slots); i += 2 {
			a, b := f.slots[i], f.slots[i+1]
			first[a.Side]++
			if a.Side == b.Side || a.Seed != b.Seed || a.Round != b.Round {
				t.Errorf("%s: a round of %+v and %+v", name, a, b)
			}
		}
		if first[versus.Baseline] < 2 || first[versus.Candidate] < 2 {
			t.Errorf("%s: the first of a round was %v", name, first)
		}
	}
}

// Rounds in which something befell a run do not count; of too many, there is no
// verdict.
func TestDrops(t *testing.T) {
	for name, tc := range map[string]struct {
		void   func(s versus.Slot) bool
		want   string
		rounds int
		reason string
	}{
		"two":              {func(s versus.Slot) bool { return s.Round == 3 && s.Side == versus.Baseline || s.Round == 5 }, results.Pass, 12, "no primary"},
		"a burst at first": {func(s versus.Slot) bool { return s.Round <= 4 }, results.Pass, 24, "no primary"},
		"every other":      {func(s versus.Slot) bool { return s.Round%2 == 0 }, results.Inconclusive, 7, "rounds were dropped, the last because the generator was the limit"},
	} {
		f := &fake{allocs: steady(0), void: tc.void}
		out, err := versus.Run(t.Context(), options(t, f))
		if err != nil {
			t.Fatal(err)
		}
		if out.Verdict != tc.want || len(out.Rounds) != tc.rounds || !strings.Contains(out.Reason, tc.reason) {
			t.Errorf("%s: %s after %d rounds: %s", name, out.Verdict, len(out.Rounds), out.Reason)
		}
	}
}

// A side that was profiled is compared with profiled runs only.
func TestProfiledSide(t *testing.T) {
	for name, tc := range map[string]struct {
		profiled func(s versus.Slot) bool
		want     string
	}{
		"one":  {func(s versus.Slot) bool { return s.Side == versus.Baseline }, results.Inconclusive},
		"both": {func(versus.Slot) bool { return true }, results.Pass},
	} {
		f := &fake{allocs: steady(0)}
		o := options(t, f)
		o.Run = func(ctx context.Context, s versus.Slot) (*results.Run, error) {
			run, err := f.run(ctx, s)
			if tc.profiled(s) {
				run.Profiles = []results.Profile{{Kind: "cpu", File: "profiles/x"}}
			}
			return run, err
		}
		out, err := versus.Run(t.Context(), o)
		if err != nil || out.Verdict != tc.want || (tc.want == results.Inconclusive) != strings.Contains(out.Reason, "profiled") {
			t.Errorf("%s: %s (%s), %v", name, out.Verdict, out.Reason, err)
		}
	}
}

// After an interrupt in the middle of a round, what is there is used, and that
// round is made anew; what it left is kept.
func TestResume(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopped")
	f := &fake{allocs: steady(0)}
	f.fail = func(s versus.Slot) error {
		if s.Round == 4 && len(f.slots)%2 == 0 {
			cancel(stop)
		}
		return nil
	}
	o := options(t, f)
	out, err := versus.Run(ctx, o)
	if !errors.Is(err, stop) || len(out.Rounds) != 3 || out.Verdict != results.Inconclusive {
		t.Fatalf("%v, %d rounds, %s", err, len(out.Rounds), out.Verdict)
	}
	// As a kill leaves it: the second run of the round is not there.
	if err := os.RemoveAll(f.slots[7].Dir); err != nil {
		t.Fatal(err)
	}
	again := &fake{allocs: steady(0)}
	o.Run = again.run
	resumed := 0
	o.Progress = func(p versus.Progress) {
		if p.Resumed {
			resumed++
		}
	}
	out, err = versus.Run(t.Context(), o)
	if err != nil || out.Verdict != results.Pass || len(out.Rounds) != 12 || resumed != 3 || again.slots[0].Round != 4 || len(again.slots) != 18 {
		t.Errorf("%v: %s after %d rounds, %d of them resumed, %d runs", err, out.Verdict, len(out.Rounds), resumed, len(again.slots))
	}
	if again.slots[0].Side != f.slots[6].Side || again.slots[0].Seed != f.slots[6].Seed {
		t.Error("the round made anew is another one")
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "round-004.cut-short-1")); err != nil {
		t.Error(err)
	}
}

// A side that cannot be measured is that side's error.
func TestSideFails(t *testing.T) {
	f := &fake{allocs: steady(0), fail: func(s versus.Slot) error {
		if s.Side == versus.Candidate {
			return errors.New("not ready in time")
		}
		return nil
	}}
	_, err := versus.Run(t.Context(), options(t, f))
	if err == nil || !strings.Contains(fmt.Sprint(err), "candidate: not ready in time") {
		t.Errorf("error %v", err)
	}
	o := options(t, f)
	o.Rules.Primary = []string{"nothing"}
	if _, err := versus.Run(t.Context(), o); err == nil {
		t.Error("rules that are none")
	}
}
