package qualify_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/qualify"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

func config(scenarios ...string) qualify.Config {
	c := qualify.Config{Scenarios: scenarios}
	c.Comparison = versus.Config{Length: 2 * time.Second, Warmup: time.Second, Rules: judge.DefaultRules()}
	c.Comparison.Rules.Primary, c.Comparison.Rules.Looks = []string{"allocs"}, []int{8}
	c.Comparison.Baseline.Label, c.Comparison.Candidate.Label = "base", "changed"
	c.Comparison.Candidate.Spec.Cluster.Start.BackendBatchLimit = new(1)
	return c
}

// A fake stands for runs: the candidate costs more under the scenario worse, and runs of
// the scenario broken fail.
type fake struct {
	worse, broken string
	// stop ends the check after so many runs, where it is not 0.
	stop   int
	cancel context.CancelCauseFunc
	runs   []runner.Spec
}

func (f *fake) run(_ context.Context, s runner.Spec, o runner.Options) (*results.Run, error) {
	r, err := s.Resolve("")
	if err != nil {
		return nil, err
	}
	f.runs = append(f.runs, s)
	if len(f.runs) == f.stop {
		f.cancel(bench.ErrInterrupted)
		return nil, bench.ErrInterrupted
	}
	if s.Scenario == f.broken {
		return nil, errors.New("the cluster fell over")
	}
	cost := 200 + float64(len(f.runs)%5)*0.1
	if s.Scenario == f.worse && strings.HasSuffix(o.Dir, versus.Candidate) {
		cost *= 1.5
	}
	run := &results.Run{
		Schema: results.Schema, Plan: results.Plan{Transport: r.Plan.Transport}, ID: filepath.Base(o.Dir), Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
		Server: &results.Server{Cost: []results.Cost{{Phase: "measure", Operations: 1000, Figures: map[string]float64{"allocs": cost}}}},
	}
	dir, err := results.Create(o.Dir)
	if err != nil {
		return nil, err
	}
	return run, errors.Join(dir.WriteRun(run), dir.Close())
}

// check carries out a release check over made-up runs.
func check(t *testing.T, c qualify.Config, dir string, f *fake) (*results.Verdict, error) {
	e, err := qualify.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	f.cancel = cancel
	return e.Run(ctx, qualify.Options{
		Options: experiment.Options{Dir: dir, Run: f.run},
		Save: func(dir string, v *results.Verdict) error {
			data, err := results.Encode(v)
			return errors.Join(err, os.WriteFile(filepath.Join(dir, results.VerdictFile), data, 0o644))
		},
	})
}

// One scenario that is worse fails the check, one that cannot be measured leaves the
// others measured, and each is judged by its share of the false fails.
func TestVerdictOfAllScenarios(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ worse, broken, verdict, reason string }{
		{"", "", results.Pass, "all 2 scenarios passed"},
		{"saturate", "put", results.Fail, "1 of 2 scenarios failed: saturate"},
		{"", "put", results.Inconclusive, "1 of 2 scenarios passed; inconclusive: put"},
	} {
		f := &fake{worse: c.worse, broken: c.broken}
		v, err := check(t, config("put", "saturate"), t.TempDir(), f)
		if err != nil {
			t.Fatal(err)
		}
		if v.Gate != qualify.Gate || v.Verdict != c.verdict || v.Reason != c.reason || len(v.Parts) != 2 || v.Rules.FalseFail != 0.01 {
			t.Errorf("%+v: %s: %s", c, v.Verdict, v.Reason)
		}
		for i, p := range v.Parts {
			if p.Workload != []string{"put", "saturate"}[i] || p.Rules.FalseFail != 0.01/2 {
				t.Errorf("%s with false fails of %v", p.Workload, p.Rules.FalseFail)
			}
			if broken := p.Workload == c.broken; broken != strings.Contains(p.Reason, "the cluster fell over") {
				t.Errorf("%s: %s", p.Workload, p.Reason)
			}
		}
	}
}

// An interrupted check goes on where it was, and keeps the verdicts that it has.
func TestResume(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := config("put", "saturate")
	first := &fake{worse: "put", stop: 16 + 5} // in the third round of the second scenario
	if _, err := check(t, c, dir, first); !errors.Is(err, bench.ErrInterrupted) || !strings.Contains(err.Error(), "1 of 2 scenarios done: continue with --resume "+dir) {
		t.Fatalf("error %v", err)
	}
	second := &fake{}
	v, err := check(t, c, dir, second)
	if err != nil || v.Reason != "1 of 2 scenarios failed: put" {
		t.Fatalf("%+v %v", v, err)
	}
	if len(second.runs) != 12 || second.runs[0].Scenario != "saturate" {
		t.Errorf("%d runs, the first of %s", len(second.runs), second.runs[0].Scenario)
	}
}

func TestNewRefuses(t *testing.T) {
	rounds := config("put", "saturate")
	rounds.Comparison.Rules.Looks = []int{7}
	length := config("put")
	length.Comparison.Baseline.Spec.Load.Total = new(uint64(7))
	for want, c := range map[string]qualify.Config{
		"needs a scenario":               config(),
		"is named twice":                 config("put", "put"),
		"is neither a built-in scenario": config("../put"),
		"unknown workload or":            config("nonsense"),
		"7 rounds cannot fail":           rounds,
		"remove --duration and":          length,
	} {
		if _, err := qualify.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// The efforts have rounds enough for every scenario that comes with the program, and more
// of them take longer.
func TestLengths(t *testing.T) {
	for effort, most := range map[experiment.Effort]time.Duration{
		experiment.Quick: 90 * time.Minute, experiment.Standard: 3 * time.Hour, experiment.Thorough: 9 * time.Hour,
	} {
		l := qualify.LengthsOf(effort)
		rules := judge.DefaultRules()
		rules.Looks = l.Looks
		if err := rules.Each(16).Validate(); err != nil {
			t.Errorf("%q: %v", effort, err)
		}
		runs := 16 * 2 * l.Looks[len(l.Looks)-1]
		if took := time.Duration(runs) * (l.Length + l.Warmup + 3500*time.Millisecond); took > most {
			t.Errorf("%q takes %v", effort, took)
		}
	}
}
