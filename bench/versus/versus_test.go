package versus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// load makes runs of an open loop at 1,000/s whose operations end as count says, and says that
// they were valid unless invalid has the code of a reason.
func load(count func(s versus.Slot) (completed, failed, timedOut, dropped uint64), invalid func(s versus.Slot) string) func(context.Context, versus.Slot) (*results.Run, error) {
	return func(_ context.Context, s versus.Slot) (*results.Run, error) {
		completed, failed, timedOut, dropped := count(s)
		times := func(n uint64, at int64) results.Latency {
			h := results.NewHistogram()
			if err := h.RecordValues(at, int64(n)); err != nil {
				return results.Latency{}
			}
			l, _ := results.NewLatency(h)
			return l
		}
		op := results.Operation{
			Phase: "measure", Op: "put", Write: true, Offered: completed + failed + timedOut + dropped, Completed: completed, Failed: failed, Dropped: dropped,
			Unfinished: timedOut, TimedOut: timedOut, UnfinishedResponseTime: times(timedOut, 5e9),
		}
		var err error
		if op.ResponseTime, err = results.MergeLatency(times(completed, 10e6+int64(s.Round)*1e4), op.UnfinishedResponseTime); err != nil {
			return nil, err
		}
		run := &results.Run{
			Schema: results.Schema, ID: s.Side, Outcome: results.Completed, Operations: []results.Operation{op}, Phases: []results.Phase{{Name: "measure", Length: 20 * time.Second}},
			Plan:     results.Plan{Clients: 64, Phases: []results.PlanPhase{{Name: "measure", Duration: 20 * time.Second, Load: results.Load{Rate: 1000}}}},
			Validity: results.Validity{Verdict: results.Valid, Generator: results.Generator{Achieved: float64(completed+failed) / float64(op.Offered)}},
		}
		run.Operations[0].Throughput = float64(completed) / 20
		if code := invalid(s); code != "" {
			run.Validity.Verdict = results.Invalid
			run.Validity.Reasons = []results.Reason{{Code: code, Severity: results.Invalid, Message: code}}
		}
		return run, nil
	}
}

// A candidate whose requests fail, time out or are dropped does not pass, whatever its
// throughput; nor does one that collapses under a rate that the baseline carries.
func TestFailuresFail(t *testing.T) {
	t.Parallel()
	const all = 20_000
	share := func(failed, timedOut, dropped float64) func(s versus.Slot) (uint64, uint64, uint64, uint64) {
		return func(s versus.Slot) (uint64, uint64, uint64, uint64) {
			if s.Side == versus.Baseline {
				return all, 0, 0, 0
			}
			f, u, d := uint64(failed*all), uint64(timedOut*all), uint64(dropped*all)
			return all - f - u - d, f, u, d
		}
	}
	candidate := func(code string) func(versus.Slot) string {
		return func(s versus.Slot) string {
			if s.Side == versus.Candidate {
				return code
			}
			return ""
		}
	}
	for name, tc := range map[string]struct {
		count        func(versus.Slot) (uint64, uint64, uint64, uint64)
		invalid      func(versus.Slot) string
		want, reason string
	}{
		"none":                        {share(0, 0, 0), candidate(""), results.Pass, "no primary metric"},
		"29 % fail":                   {share(0.29, 0, 0), candidate(""), results.Fail, "error_rate"},
		"4 % fail":                    {share(0.04, 0, 0), candidate(""), results.Fail, "error_rate"},
		"1 % time out":                {share(0, 0.0095, 0), candidate(""), results.Fail, "error_rate"},
		"0.2 % are dropped":           {share(0, 0, 0.002), candidate(""), results.Fail, "error_rate"},
		"0.01 % fail":                 {share(0.0001, 0, 0), candidate(""), results.Pass, ""},
		"it collapses":                {share(0, 0, 0.4), candidate("too-few-clients"), results.Fail, "throughput, error_rate"},
		"the generator was throttled": {share(0, 0, 0.4), candidate("cpu-throttled"), results.Inconclusive, "rounds were dropped"},
		"both collapse": {func(versus.Slot) (uint64, uint64, uint64, uint64) { return all / 2, 0, 0, all / 2 },
			func(versus.Slot) string { return "too-few-clients" }, results.Inconclusive, "rounds were dropped"},
	} {
		rules := judge.DefaultRules()
		out, err := versus.Run(t.Context(), versus.Options{Dir: t.TempDir(), Rules: rules, Run: load(tc.count, tc.invalid)})
		if err != nil || out.Verdict != tc.want || !strings.Contains(out.Reason, tc.reason) {
			t.Errorf("%s: %s (%s), %v, want %s", name, out.Verdict, out.Reason, err, tc.want)
		}
	}
}

// A violated proof fails the job at once, also in a round that does not count.
func TestViolationFails(t *testing.T) {
	t.Parallel()
	f := &fake{allocs: steady(0), void: func(s versus.Slot) bool { return s.Round == 2 }}
	o := options(t, f)
	o.Run = func(ctx context.Context, s versus.Slot) (*results.Run, error) {
		run, err := f.run(ctx, s)
		run.Proof = &results.Proof{Verdict: results.Proved}
		if s.Round == 2 && s.Side == versus.Candidate {
			run.Proof = &results.Proof{Verdict: results.Violated, Found: 3, Violations: []results.Violation{{Check: "last-write", Key: "k", Expected: "a", Found: "b"}}}
		}
		return run, err
	}
	out, err := versus.Run(t.Context(), o)
	if err != nil || out.Verdict != results.Fail || !strings.Contains(out.Reason, "3 violations in the candidate's run of round 2") || out.Proofs[results.Proved] != 3 {
		t.Errorf("%v: %s (%s), proofs %v", err, out.Verdict, out.Reason, out.Proofs)
	}
}

// The disturbances of all runs are kept, also of rounds that do not count, with the longest outage of their run.
func TestDisturbancesAreKept(t *testing.T) {
	t.Parallel()
	f := &fake{allocs: steady(0), void: func(s versus.Slot) bool { return s.Round == 2 }}
	o := options(t, f)
	o.Run = func(ctx context.Context, s versus.Slot) (*results.Run, error) {
		run, err := f.run(ctx, s)
		run.Events = []results.Event{{Kind: "kill", Start: time.Second}}
		run.Availability = &results.Availability{Longest: time.Duration(s.Round) * time.Second}
		return run, err
	}
	out, err := versus.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	rounds := len(out.Rounds) + len(out.Dropped)
	if len(out.Disturbances) != 2*rounds {
		t.Errorf("%d disturbances in %d rounds, want one in each run", len(out.Disturbances), rounds)
	}
	for i, e := range out.Disturbances {
		if e.Round != i/2+1 || e.Side != []string{versus.Baseline, versus.Candidate}[i%2] || e.Kind != "kill" || e.Outage != time.Duration(e.Round)*time.Second {
			t.Errorf("disturbance %d: %+v", i, e)
		}
	}
}

// Another job has another order, a job that is resumed has the same, and of six rounds either
// side is first in three.
func TestOrderOfSides(t *testing.T) {
	t.Parallel()
	orders := map[string]bool{}
	for range 5 {
		o := options(t, &fake{allocs: steady(0)})
		out, err := versus.Run(t.Context(), o)
		if err != nil || len(out.Order) != 12 {
			t.Fatalf("%v, order %v", err, out.Order)
		}
		for block := range 2 {
			first := 0
			for _, side := range out.Order[6*block : 6*block+6] {
				if side == versus.Baseline {
					first++
				}
			}
			if first != 3 {
				t.Errorf("the baseline is first in %d of six rounds: %v", first, out.Order)
			}
		}
		again, err := versus.Run(t.Context(), o)
		if err != nil || !slices.Equal(again.Order, out.Order) {
			t.Errorf("%v: resumed with %v, not %v", err, again.Order, out.Order)
		}
		orders[fmt.Sprint(out.Order)] = true
	}
	if len(orders) < 2 {
		t.Error("five jobs have one order")
	}
}
