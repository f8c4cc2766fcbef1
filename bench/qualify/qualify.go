// Package qualify checks a release. It compares a candidate with a baseline under many
// scenarios, one after the other, with package versus. The scenarios form one job with one
// verdict. The probability that the job fails although nothing differs is that of the rules,
// for any number of scenarios.
package qualify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Kind is the kind of this experiment.
const Kind = "qualify"

// Gate is the kind of the verdict.
const Gate = "qualify"

// Config is the configuration of a release check. The specifications of its sides name no
// scenario: each run gets the scenario of its comparison.
type Config struct {
	Comparison versus.Config `json:"comparison"`
	// Scenarios are names of built-in scenarios or of workloads.
	Scenarios []string `json:"scenarios"`
}

// Lengths are the lengths of a run and of its warm-up, and the numbers of rounds after which
// there may be a verdict on a scenario.
type Lengths struct {
	Length, Warmup time.Duration
	Looks          []int
}

// LengthsOf returns the lengths of an effort. The rounds suffice for 16 scenarios of which any
// single one can fail the job.
func LengthsOf(e experiment.Effort) Lengths {
	switch e {
	case experiment.Quick:
		return Lengths{4 * time.Second, time.Second, []int{16}}
	case experiment.Thorough:
		return Lengths{20 * time.Second, 5 * time.Second, []int{16, 32}}
	}
	return Lengths{10 * time.Second, 3 * time.Second, []int{16}}
}

// Experiment is a configured release check.
type Experiment struct {
	Config
	comparisons []*versus.Experiment
}

// New validates a release check. It starts nothing.
func New(c Config) (*Experiment, error) {
	if len(c.Scenarios) == 0 {
		return nil, errors.New("a release check needs a scenario")
	}
	e := &Experiment{Config: c}
	seen := map[string]bool{}
	for _, name := range c.Scenarios {
		switch {
		case name == "" || strings.ContainsAny(name, `./\`):
			return nil, fmt.Errorf("%q is neither a built-in scenario nor a workload", name)
		case seen[name]:
			return nil, fmt.Errorf("scenario %s is named twice", name)
		}
		seen[name] = true
		one := c.Comparison
		one.Rules = one.Rules.Each(len(c.Scenarios))
		one.Baseline.Spec, one.Candidate.Spec = one.Baseline.Spec.Clone(), one.Candidate.Spec.Clone()
		one.Baseline.Spec.Scenario, one.Candidate.Spec.Scenario = name, name
		compared, err := versus.New(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		e.comparisons = append(e.comparisons, compared)
	}
	return e, nil
}

// First returns the resolved specification of a run of the first scenario.
func (e *Experiment) First() *runner.Resolved { return e.comparisons[0].First() }

// Plan returns the planned runs, for all rounds of all scenarios and without dropped rounds.
func (e *Experiment) Plan() experiment.Plan {
	var p experiment.Plan
	for _, c := range e.comparisons {
		for _, run := range c.Plan().Runs {
			run.Name = c.Scenario() + "/" + run.Name
			p.Runs = append(p.Runs, run)
		}
	}
	return p
}

// Options is what a release check needs in addition to its configuration.
type Options struct {
	experiment.Options
	// Save saves the verdict on a scenario in the directory of its runs.
	Save func(dir string, v *results.Verdict) error
	// Progress, if not nil, is called after each round of a scenario.
	Progress func(scenario string, p versus.Progress)
	// Done, if not nil, is called after each scenario. left is the longest time that the
	// remaining scenarios take.
	Done func(v *results.Verdict, left time.Duration)
}

// Run compares the sides under each scenario. It keeps the verdicts that are in the directory
// already, so that an interrupted check can be resumed. A scenario that could not be measured
// is inconclusive, and does not stop the check.
func (e *Experiment) Run(ctx context.Context, o Options) (*results.Verdict, error) {
	v := e.verdict(ctx)
	for i, c := range e.comparisons {
		part, err := e.compare(ctx, c, o)
		if errors.Is(err, bench.ErrInterrupted) || ctx.Err() != nil {
			done := fmt.Sprintf("%d of %s", i, judge.Scenarios(len(e.comparisons)))
			return nil, experiment.Unfinished(cmp.Or(err, context.Cause(ctx)), done, o.Dir)
		}
		if err != nil {
			return nil, err
		}
		v.Parts = append(v.Parts, *part)
		if o.Done != nil {
			o.Done(part, e.length(e.comparisons[i+1:]))
		}
	}
	v.Verdict, v.Reason = judge.DecideFamily(v.Parts)
	v.Ended = time.Now().Round(0)
	return v, nil
}

// length returns the longest time that comparisons take.
func (e *Experiment) length(list []*versus.Experiment) (sum time.Duration) {
	for _, c := range list {
		sum += c.Plan().Length()
	}
	return sum
}

// verdict returns a document without a verdict.
func (e *Experiment) verdict(ctx context.Context) *results.Verdict {
	c := e.Comparison
	rules := results.GateRules(c.Rules)
	return &results.Verdict{
		Schema: results.VerdictSchema, Gate: Gate, Started: time.Now().Round(0), Workload: judge.Scenarios(len(e.Scenarios)),
		Baseline: c.Baseline.Label, Candidate: c.Candidate.Label, Rules: &rules, Machine: machine.Describe(ctx).Machine(),
	}
}

// compare returns the verdict on one scenario, and saves it.
func (e *Experiment) compare(ctx context.Context, c *versus.Experiment, o Options) (*results.Verdict, error) {
	dir := filepath.Join(o.Dir, c.Scenario())
	if v, err := stored(dir); v != nil || err != nil {
		return v, err
	}
	options := o.Options
	options.Dir = dir
	v, err := c.Run(ctx, options, func(p versus.Progress) {
		if o.Progress != nil {
			o.Progress(c.Scenario(), p)
		}
	})
	switch {
	case err == nil:
		return v, o.Save(dir, v)
	case ctx.Err() != nil || errors.Is(err, bench.ErrInterrupted):
		return nil, cmp.Or(context.Cause(ctx), bench.ErrInterrupted)
	}
	// The verdict is not saved, so that a resumed check repeats the scenario.
	rules := results.GateRules(c.Rules)
	return &results.Verdict{
		Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Inconclusive, Reason: "not measured: " + err.Error(), Workload: c.Scenario(),
		Baseline: c.Baseline.Label, Candidate: c.Candidate.Label, Rules: &rules, Planned: c.Rules.Looks[len(c.Rules.Looks)-1],
	}, nil
}

// maxVerdict is the largest size of a verdict's document, in bytes.
const maxVerdict = 64 << 20

// stored reads the verdict on a scenario. It returns nil if there is none.
func stored(dir string) (*results.Verdict, error) {
	data, err := results.ReadFile(filepath.Join(dir, results.VerdictFile), maxVerdict)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("resume %s: %w", dir, err)
	}
	return results.DecodeVerdict(data)
}
