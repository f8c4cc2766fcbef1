// Package qualify checks a release: a candidate is compared with a baseline under many
// scenarios, one after the other, by the comparison of package versus. The scenarios are
// one job with one verdict, whose probability of failing when nothing differs is that of
// the rules, however many scenarios there are.
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

// Kind is the kind of experiment that a release check is.
const Kind = "qualify"

// Gate is the kind of its verdict.
const Gate = "qualify"

// Config is what a release check was asked. The specifications of its sides name no
// scenario: each run gets that of its comparison.
type Config struct {
	Comparison versus.Config `json:"comparison"`
	// Scenarios are the names of scenarios that come with the program, or of workloads.
	Scenarios []string `json:"scenarios"`
}

// Lengths are how long a run of a release check takes, and after how many rounds there may
// be a verdict on a scenario.
type Lengths struct {
	Length, Warmup time.Duration
	Looks          []int
}

// LengthsOf returns the lengths of an effort. The rounds are enough for 16 scenarios, of
// which a single one can fail the job.
func LengthsOf(e experiment.Effort) Lengths {
	switch e {
	case experiment.Quick:
		return Lengths{4 * time.Second, time.Second, []int{16}}
	case experiment.Thorough:
		return Lengths{20 * time.Second, 5 * time.Second, []int{16, 32}}
	}
	return Lengths{10 * time.Second, 3 * time.Second, []int{16}}
}

// Experiment is a release check that can be carried out.
type Experiment struct {
	Config
	comparisons []*versus.Experiment
}

// New checks a release check. It starts nothing.
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

// First is the resolved specification of a run of the first scenario.
func (e *Experiment) First() *runner.Resolved { return e.comparisons[0].First() }

// Plan is what the check is going to do, if it takes all rounds and drops none.
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

// Options are what a release check needs besides what it was asked.
type Options struct {
	experiment.Options
	// Save keeps the verdict on a scenario in a directory that holds its runs.
	Save func(dir string, v *results.Verdict) error
	// Progress is called after each round of a scenario; it may be nil.
	Progress func(scenario string, p versus.Progress)
	// Done is called after each scenario; left is how long the others take at most. It
	// may be nil.
	Done func(v *results.Verdict, left time.Duration)
}

// Run compares the sides under each scenario. A scenario that has a verdict in the
// directory keeps it, so that an interrupted check can be resumed. One that could not be
// measured is inconclusive, and the others are measured all the same.
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

// length is how long comparisons take at most.
func (e *Experiment) length(list []*versus.Experiment) (sum time.Duration) {
	for _, c := range list {
		sum += c.Plan().Length()
	}
	return sum
}

// verdict is the document before there is one.
func (e *Experiment) verdict(ctx context.Context) *results.Verdict {
	c := e.Comparison
	rules := results.GateRules(c.Rules)
	return &results.Verdict{
		Schema: results.VerdictSchema, Gate: Gate, Started: time.Now().Round(0), Workload: judge.Scenarios(len(e.Scenarios)),
		Baseline: c.Baseline.Label, Candidate: c.Candidate.Label, Rules: &rules, Machine: machine.Describe(ctx).Machine(),
	}
}

// compare returns the verdict on one scenario, and keeps it.
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
	// Not kept: when the check is resumed, the scenario is tried once more.
	rules := results.GateRules(c.Rules)
	return &results.Verdict{
		Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Inconclusive, Reason: "not measured: " + err.Error(), Workload: c.Scenario(),
		Baseline: c.Baseline.Label, Candidate: c.Candidate.Label, Rules: &rules, Planned: c.Rules.Looks[len(c.Rules.Looks)-1],
	}, nil
}

// maxVerdict bounds the document of a verdict, in bytes.
const maxVerdict = 64 << 20

// stored reads the verdict on a scenario, nil where there is none yet.
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
