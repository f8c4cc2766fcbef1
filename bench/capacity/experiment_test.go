package capacity_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// recorder stands for runner.Run: it keeps the specifications, and every rate above
// most fails its operations.
type recorder struct {
	t     *testing.T
	most  float64
	specs []runner.Spec
}

func (r *recorder) run(_ context.Context, s runner.Spec, o runner.Options) (*results.Run, error) {
	r.specs = append(r.specs, s)
	resolved, err := s.Resolve("")
	if err != nil {
		return nil, err
	}
	rate, length := resolved.Plan.Phases[len(resolved.Plan.Phases)-1].Load.Rate, *s.Load.Duration
	n := uint64(rate * length.Seconds())
	h := results.NewHistogram()
	_ = h.RecordValues(int64(time.Millisecond), int64(n))
	op := results.Operation{Phase: "measure", Op: "put", Write: true, Offered: n, Completed: n, ResponseTime: latency(r.t, h)}
	if rate > r.most {
		op.Completed, op.Failed = n/2, n-n/2
	}
	run := &results.Run{
		Schema: results.Schema, Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid}, Plan: resolved.Plan,
		Phases: []results.Phase{{Name: "measure", Length: length}}, Operations: []results.Operation{op},
	}
	dir, err := results.Create(o.Dir)
	if err != nil {
		return nil, err
	}
	return run, errors.Join(dir.WriteStart(run), dir.WriteRun(run), dir.Close())
}

// Every probe is the base specification with another rate; what was asked of the runs
// reaches all of them, and soaks have their compactions besides.
func TestProbesAreDerived(t *testing.T) {
	var base runner.Spec
	base.Label, base.Load.Clients, base.Load.Warmup = "mine", new(33), new(time.Duration(0))
	base.Cluster.Start.EtcdFlags = []string{"max-txn-ops=300"}
	e, err := capacity.New(base, capacity.Config{
		Effort: experiment.Quick, SLO: []string{"put.failed == 0"}, Soak: new(9 * time.Second), Demand: new(500.0),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{t: t, most: 1000}
	c, err := e.Run(t.Context(), experiment.Options{Dir: t.TempDir(), Run: r.run}, nil)
	if err != nil || c.Low == 0 || c.Low > 1000 || c.Plan == nil || c.Plan.Demand != 500 {
		t.Fatalf("%+v, %v", c, err)
	}
	down := 0
	for i, s := range r.specs {
		if s.Label != "mine" || *s.Load.Clients != 33 || *s.Load.Warmup != 0 || s.Cluster.Start.EtcdFlags[0] != "max-txn-ops=300" || *s.Load.Rate != c.Probes[i].Rate {
			t.Errorf("probe %d: %+v", i+1, s)
		}
		if *s.Verify || s.Prefix == "" || s.Thresholds[0] != "put.failed == 0" {
			t.Errorf("probe %d: %+v", i+1, s)
		}
		if s.Experiment.MemberDown {
			down++
		}
	}
	if down == 0 {
		t.Error("no probe had a member down")
	}
}

// A search over a parameter changes that one and keeps the others; a soak keeps the
// disturbances that were asked for, or has compactions where nothing disturbs.
func TestParameterAndDisturbances(t *testing.T) {
	base := runner.Spec{Scenario: "w.yaml", Text: `
parameters: {users: {default: 1, min: 1, max: 8}, size: {default: 100}}
mix: [{workload: put, rate: "${50*users}", params: {val-size: "${size}"}}]
`, Parameters: map[string]float64{"size": 200}}
	for _, disturbed := range []bool{false, true} {
		if disturbed {
			base.Disturbances = []results.PlanDisturbance{{Kind: "snapshot", At: time.Second}}
		}
		e, err := capacity.New(base, capacity.Config{SLO: []string{"put.failed == 0"}, Over: "users", Sweep: new(false)})
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{t: t, most: 200}
		c, err := e.Run(t.Context(), experiment.Options{Dir: t.TempDir(), Run: r.run}, nil)
		if err != nil || c.Low != 4 || c.Over != "users" {
			t.Errorf("%+v, %v", c, err)
		}
		for i, s := range r.specs {
			want := ""
			if disturbed {
				want = "snapshot"
			} else if c.Probes[i].Stage == results.StageSoak {
				want = "compaction"
			}
			var kinds []string
			for _, d := range s.Disturbances {
				kinds = append(kinds, d.Kind)
			}
			if got := strings.Join(kinds, ","); got != want || s.Parameters["size"] != 200 || s.Parameters["users"] != c.Probes[i].Rate {
				t.Errorf("%s: disturbances %q, want %q; parameters %v", c.Probes[i].Stage, got, want, s.Parameters)
			}
		}
	}
}

// A probe that cannot be made ends the search, which says how to go on.
func TestUnfinishedSearch(t *testing.T) {
	e, err := capacity.New(runner.Spec{}, capacity.Config{Effort: experiment.Quick})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no space left")
	c, err := e.Run(t.Context(), experiment.Options{
		Dir: "there",
		Run: func(context.Context, runner.Spec, runner.Options) (*results.Run, error) { return nil, broken },
	}, nil)
	if !errors.Is(err, broken) || err.Error() != "with 0 probes done: no space left; continue with --resume there" {
		t.Errorf("error %v", err)
	}
	if c == nil || c.Stopped != "not finished: no space left" {
		t.Errorf("document %+v", c)
	}
}

// A search without an SLO gives an example, which is one that the load can have.
func TestExampleOfSLO(t *testing.T) {
	for name, want := range map[string]string{
		"storage-put": "put", "range": "range", "txn-mixed": "read", "wal-append": "put", "watch": "put",
	} {
		_, err := capacity.New(runner.Spec{Scenario: name}, capacity.Config{})
		if err == nil || !strings.Contains(err.Error(), "such as '"+want) {
			t.Errorf("%s: %v, want an example of %q", name, err, want)
			continue
		}
		_, example, _ := strings.Cut(err.Error(), "'")
		slo := []string{strings.TrimSuffix(example, "'")}
		if _, err := capacity.New(runner.Spec{Scenario: name}, capacity.Config{SLO: slo}); err != nil {
			t.Errorf("%s with %q: %v", name, slo, err)
		}
	}
}

// A search that goes on takes the runs that are there, but only those of its own probes:
// one that takes another way has other rates.
func TestResumedProbesAreCompared(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		start float64
		again bool
	}{{200, false}, {200, true}, {300, false}} {
		e, err := capacity.New(runner.Spec{}, capacity.Config{Effort: experiment.Quick, SLO: []string{"put.failed == 0"}, Start: &c.start})
		if err != nil {
			t.Fatal(err)
		}
		r := &recorder{t: t, most: 1000}
		found, err := e.Run(t.Context(), experiment.Options{Dir: dir, Run: r.run}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.again != (len(r.specs) == 0) {
			t.Errorf("from %v/s on, again: %v: %d runs were made for %d probes", c.start, c.again, len(r.specs), len(found.Probes))
		}
		for _, p := range found.Probes {
			run, err := results.Read(filepath.Join(dir, p.Dir))
			if err != nil {
				t.Fatal(err)
			}
			if rate := run.Plan.Phases[len(run.Plan.Phases)-1].Load.Rate; rate != p.Rate {
				t.Errorf("from %v/s on: %s is called a probe of %v/s and has %v/s", c.start, p.Dir, p.Rate, rate)
			}
		}
	}
}
