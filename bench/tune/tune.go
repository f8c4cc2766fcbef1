// Package tune tries settings of a cluster, one after the other, and recommends one:
// above all heartbeat interval and election timeout, under load and through faults
// that are made on purpose. What it recommends, it measures again, in turns with the
// defaults.
//
// An [Experiment] derives its trials from one specification. [Run] is the algorithm
// alone: a trial is a run that its caller makes.
package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Trial is one run with one candidate.
type Trial struct {
	Candidate
	Number int // from 1
	Seed   uint64
	// Compare means that it is part of the comparison with the defaults.
	Compare bool
	// Dir is the directory of the run, which must not exist yet.
	Dir string
}

// Unfit is the error of a run that is impossible with the candidate's settings, such as a
// cluster that elects no leader. It is a finding, and does not stop the tuning.
type Unfit struct{ Reason string }

// Error returns the reason.
func (u Unfit) Error() string { return u.Reason }

// Options configure a tuning.
type Options struct {
	// Dir keeps the runs; those that are in it already are not made again.
	Dir        string
	Dimension  string
	Candidates []Candidate
	// Repeats is the number of runs of each candidate.
	Repeats int
	// Rounds are the numbers of rounds after which the comparison may end; none means
	// that there is no comparison.
	Rounds []int
	// RTT is the longest round trip between two members.
	RTT time.Duration
	// Failover means that the runs have faults.
	Failover bool
	Seed     uint64
	// Run makes a trial's run, with its [results.Resilience], and saves it.
	Run func(ctx context.Context, t Trial) (*results.Run, error)
	// Progress is called before and after each run; it may be nil.
	Progress func(p Progress)
}

// Progress is the state of a tuning.
type Progress struct {
	Trial
	// Done is the finished run. It is nil before the run, and if the run was impossible: then
	// Finding is the reason.
	Done    *results.Run
	Finding string
	// Resumed means that the run was resumed.
	Resumed bool
	// Made counts the runs until now, with this one once it is done; Planned are those
	// of all candidates, without the comparison.
	Made, Planned int
}

// tuning is the state of a tuning.
type tuning struct {
	Options
	out   *results.Tuning
	made  int
	tried map[string]*results.Tried
	runs  map[string][]*results.Run
}

// Run tries all candidates, in an order that is drawn, recommends one and compares it
// with the defaults. The result holds what was found until then, also with an error.
func Run(ctx context.Context, o Options) (*results.Tuning, error) {
	t := &tuning{
		Options: o, tried: map[string]*results.Tried{}, runs: map[string][]*results.Run{},
		out: &results.Tuning{Schema: results.TuningSchema, Dimension: o.Dimension, RTT: o.RTT, Failover: o.Failover, Reasons: []string{}},
	}
	err := t.try(ctx)
	t.judge()
	if err == nil {
		err = t.compare(ctx)
	}
	return t.out, err
}

// try runs every candidate as often as configured.
func (t *tuning) try(ctx context.Context) error {
	for _, c := range t.Candidates {
		t.tried[c.Name] = &results.Tried{Name: c.Name, Settings: c.Settings, Default: c.Default, Heartbeat: c.Heartbeat, Election: c.Election}
	}
	for repeat := range max(1, t.Repeats) {
		for _, i := range rand.New(rand.NewPCG(t.Seed, uint64(repeat))).Perm(len(t.Candidates)) {
			c := t.Candidates[i]
			number := repeat*len(t.Candidates) + i + 1
			trial := Trial{Candidate: c, Number: number, Seed: t.Seed + uint64(repeat), Dir: filepath.Join(t.Dir, fmt.Sprintf("try-%03d", number))}
			run, err := t.one(ctx, trial)
			if unfit, ok := errors.AsType[Unfit](err); ok {
				t.tried[c.Name].Finding = unfit.Reason
				continue
			}
			if err != nil {
				return err
			}
			t.runs[c.Name] = append(t.runs[c.Name], run)
			t.tried[c.Name].Runs = append(t.tried[c.Name].Runs, filepath.Base(trial.Dir))
			t.out.Workload, t.out.Cluster, t.out.Environment = run.Plan.Workload, run.Cluster, run.Environment
		}
	}
	return nil
}

// judge sums up what was tried and recommends.
func (t *tuning) judge() {
	t.out.Tried = nil
	for _, c := range t.Candidates {
		tried := t.tried[c.Name]
		if tried == nil {
			continue
		}
		judge.AddRuns(tried, t.runs[c.Name]...)
		if len(t.runs[c.Name])+len(tried.Finding) > 0 {
			t.out.Tried = append(t.out.Tried, *tried)
		}
	}
	judge.Tuning(t.out)
}

// findingFile contains the reason why a trial was impossible, for a resumed tuning.
const findingFile = "finding.txt"

// one makes a run, or reads it if it exists.
func (t *tuning) one(ctx context.Context, trial Trial) (*results.Run, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p := Progress{Trial: trial, Made: t.made, Planned: len(t.Candidates) * max(1, t.Repeats)}
	t.made++
	if run, whole := results.ReadWhole(trial.Dir); whole && run.Outcome == results.Completed {
		p.Done, p.Resumed, p.Made = run, true, t.made
		t.tell(p)
		return run, nil
	}
	if finding, err := results.ReadFile(filepath.Join(trial.Dir, findingFile), 1<<16); err == nil {
		p.Finding, p.Resumed, p.Made = strings.TrimSpace(string(finding)), true, t.made
		t.tell(p)
		return nil, Unfit{p.Finding}
	}
	t.tell(p)
	if err := results.SetAside(trial.Dir); err != nil {
		return nil, err
	}
	run, err := t.Options.Run(ctx, trial)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	p.Made, p.Done = t.made, run
	if unfit, ok := errors.AsType[Unfit](err); ok {
		p.Done, p.Finding = nil, unfit.Reason
		if err := os.MkdirAll(trial.Dir, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(trial.Dir, findingFile), []byte(unfit.Reason+"\n"), 0o644); err != nil {
			return nil, fmt.Errorf("save finding: %w", err)
		}
	}
	if err == nil || p.Finding != "" {
		t.tell(p)
	}
	return run, err
}

func (t *tuning) tell(p Progress) {
	if t.Progress != nil {
		t.Progress(p)
	}
}

// compare measures what is recommended in turns with the defaults.
func (t *tuning) compare(ctx context.Context) error {
	var base, best *Candidate
	for i := range t.Candidates {
		c := &t.Candidates[i]
		if c.Default {
			base = c
		}
		if c.Name == t.out.Recommended {
			best = c
		}
	}
	if len(t.Rounds) == 0 || base == nil || best == nil || best == base {
		return nil
	}
	dir := filepath.Join(t.Dir, "compare")
	out, err := versus.Run(ctx, versus.Options{
		Dir: dir, Rules: t.rules(), Seed: t.Seed,
		Run: func(ctx context.Context, s versus.Slot) (*results.Run, error) {
			c := map[string]*Candidate{versus.Baseline: base, versus.Candidate: best}[s.Side]
			return t.one(ctx, Trial{Candidate: *c, Number: s.Round, Seed: s.Seed, Compare: true, Dir: s.Dir})
		},
	})
	if unfit, ok := errors.AsType[Unfit](err); ok {
		judge.Withdraw(t.out, "it failed: "+unfit.Reason)
		return nil
	}
	if err != nil {
		return err
	}
	comparison := &results.TuningComparison{Candidate: best.Name, Confidence: 1 - t.rules().FalseFail}
	for _, round := range out.Rounds {
		for side, elections := range map[string]*float64{
			versus.Candidate: &comparison.Elections, versus.Baseline: &comparison.DefaultElections,
		} {
			run, _ := results.ReadWhole(filepath.Join(versus.RoundDir(dir, round.Number), side))
			if run != nil && run.Resilience != nil {
				*elections += run.Resilience.Elections
			}
		}
	}
	comparison.Rounds, comparison.Dropped, comparison.Metrics = len(out.Rounds), len(out.Dropped), out.Metrics
	judge.TuningComparison(comparison, t.Failover)
	t.out.Compared = comparison
	judge.Confirm(t.out)
	return nil
}

// rules returns the rules of the comparison. With few rounds, no bound reaches the confidence
// of gates: these rules have the highest possible one.
func (t *tuning) rules() judge.Rules {
	rules := judge.DefaultRules()
	rules.Primary, rules.Looks = []string{"p99"}, t.Rounds
	if t.Failover {
		rules.Primary = append(rules.Primary, "failover")
	}
	surest := float64(len(rules.Primary)*len(t.Rounds)) * math.Pow(0.5, float64(t.Rounds[len(t.Rounds)-1]))
	rules.FalseFail = max(0.05, 1.01*surest)
	return rules
}
