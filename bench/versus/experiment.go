package versus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Kind is the kind of experiment that a comparison is.
const Kind = "gate"

// Config is the configuration of a comparison.
type Config struct {
	Baseline  Subject `json:"baseline"`
	Candidate Subject `json:"candidate"`
	// Same means that both are the same on purpose: how noisy is this machine?
	Same  bool        `json:"aa,omitempty"`
	Rules judge.Rules `json:"rules"`
	// Length is the length of the measured part of a run, Warmup that of the part before it.
	Length time.Duration `json:"slot_ns"`
	Warmup time.Duration `json:"warmup_ns"`
}

// Subject is one side of a comparison.
type Subject struct {
	// Label describes it for reports. It holds no values of environment variables.
	Label string      `json:"label"`
	Spec  runner.Spec `json:"spec"`
}

// The lengths of a run's measured part and of its warm-up, unless they are given.
const (
	DefaultLength, DefaultWarmup = 20 * time.Second, 5 * time.Second
	QuickLength, QuickWarmup     = 6 * time.Second, 2 * time.Second
)

const prefix = "/etcdbench/gate/"

// Experiment is a configured comparison of two specifications.
type Experiment struct {
	Config
	seed  uint64
	sides map[string]*runner.Resolved
}

// New validates a comparison. It starts nothing. Its errors name the flag of the side.
func New(c Config) (*Experiment, error) {
	if err := c.Rules.Validate(); err != nil {
		return nil, err
	}
	e := &Experiment{Config: c, sides: map[string]*runner.Resolved{}}
	for name, subject := range map[string]Subject{Baseline: c.Baseline, Candidate: c.Candidate} {
		if subject.Spec.Load.Duration != nil || subject.Spec.Load.Total != nil {
			return nil, errors.New("--slot-duration sets the length of a run: remove --duration and --total")
		}
		r, err := c.spec(subject.Spec, 0).Resolve("")
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", name, err)
		}
		e.sides[name] = r
		e.seed = runner.DefaultSeed
		if given := subject.Spec.Load.Seed; given != nil {
			e.seed = *given
		}
	}
	if one, other := e.sides[Baseline].Plan.Transport, e.sides[Candidate].Plan.Transport; one != other {
		return nil, fmt.Errorf("the baseline has --transport %s and the candidate --transport %s: measure both with the same transport",
			one, other)
	}
	return e, nil
}

// spec derives the specification of one run. A seed of 0 leaves it open. Other than the
// runs of other experiments, it has a proof: a side that loses writes is no faster. A
// storage layer has none.
func (c Config) spec(of runner.Spec, seed uint64) runner.Spec {
	s := experiment.Derive(of, prefix)
	if of.Verify == nil {
		s.Verify = new(!of.OnStorage())
	}
	s.Load.Duration, s.Load.Warmup = &c.Length, &c.Warmup
	if seed != 0 {
		s.Load.Seed = &seed
	}
	return s
}

// planned returns the largest number of rounds.
func (c Config) planned() int { return c.Rules.Looks[len(c.Rules.Looks)-1] }

// Plan returns the planned runs of all rounds.
func (e *Experiment) Plan() experiment.Plan {
	var p experiment.Plan
	for _, name := range []string{Baseline, Candidate} {
		r := e.sides[name]
		p.Runs = append(p.Runs, experiment.Planned{Name: name, Count: e.planned(), Spec: r.Spec, Length: r.Estimate()})
	}
	return p
}

// First returns the resolved specification of a candidate's run.
func (e *Experiment) First() *runner.Resolved { return e.sides[Candidate] }

// Scenario returns the name of the load.
func (e *Experiment) Scenario() string { return e.First().Scenario.Name }

// Run measures both sides in turns and judges them. The verdict is nil where a round
// could not be made; [experiment.Unfinished] says how to go on.
func (e *Experiment) Run(ctx context.Context, o experiment.Options, progress func(Progress)) (*results.Verdict, error) {
	if err := experiment.Prepare(ctx, o.Dir, e.sides[Baseline], e.sides[Candidate]); err != nil {
		return nil, err
	}
	v := e.verdict(ctx)
	subjects := map[string]Subject{Baseline: e.Baseline, Candidate: e.Candidate}
	out, err := Run(ctx, Options{
		Dir: o.Dir, Rules: e.Rules, Seed: e.seed, Progress: progress,
		Run: func(ctx context.Context, s Slot) (*results.Run, error) {
			return o.Measure(ctx, e.spec(subjects[s.Side].Spec, s.Seed), s.Dir)
		},
	})
	if errors.Is(err, bench.ErrInterrupted) {
		return nil, experiment.Unfinished(err, rounds(len(out.Rounds)), o.Dir)
	}
	if err != nil {
		return nil, err
	}
	v.Ended, v.Verdict, v.Reason = time.Now().Round(0), out.Verdict, out.Reason
	v.Metrics, v.Rounds, v.Dropped = out.Metrics, len(out.Rounds), out.Dropped
	v.Order, v.Proofs, v.Violations, v.Disturbances = out.Order, out.Proofs, out.Violations, out.Disturbances
	if e.Same {
		e.Rules.AddNeeded(v.Metrics)
	}
	return v, nil
}

func rounds(n int) string { return english.Plural(n, "round", "") }

// verdict returns a document without a verdict.
func (e *Experiment) verdict(ctx context.Context) *results.Verdict {
	rules := results.GateRules(e.Rules)
	v := &results.Verdict{
		Schema: results.VerdictSchema, Gate: "ab", Started: time.Now().Round(0), Workload: e.Scenario(), Planned: e.planned(),
		Baseline: e.Baseline.Label, Candidate: e.Candidate.Label, Rules: &rules, Machine: machine.Describe(ctx).Machine(),
	}
	switch {
	case e.Same:
		v.Gate = "aa"
	case e.Baseline.Label == e.Candidate.Label:
		v.Warnings = append(v.Warnings, results.Warning{
			Code: "same-sides", Message: "baseline and candidate are the same: use --aa to measure the noise",
		})
	}
	return v
}
