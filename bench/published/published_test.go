package published_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/published"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// The rows ask for what the page's sample commands do.
func TestRows(t *testing.T) {
	e, err := published.New(runner.Spec{}, published.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		name, scenario, consistency, keys string
		leader                            bool
		count                             uint64
		clients, conns                    int
	}{
		{"puts to the leader, 1 client", "put", "", "10000", true, 10_000, 1, 1},
		{"puts to the leader, 1,000 clients", "put", "", "100000", true, 100_000, 1000, 100},
		{"puts to all members, 1,000 clients", "put", "", "100000", false, 100_000, 1000, 100},
		{"linearizable reads, 1 client", "range", "l", "1", false, 10_000, 1, 1},
		{"serializable reads, 1 client", "range", "s", "1", false, 10_000, 1, 1},
		{"linearizable reads, 1,000 clients", "range", "l", "1", false, 100_000, 1000, 100},
		{"serializable reads, 1,000 clients", "range", "s", "1", false, 100_000, 1000, 100},
	} {
		run := e.Plan().Runs[i]
		s := run.Spec
		if run.Name != want.name || s.Scenario != want.scenario || s.Workload["consistency"] != want.consistency || s.Workload["key-size"] != "8" ||
			s.Workload["val-size"] != "256" || s.Workload["key-space-size"] != want.keys || s.Cluster.TargetLeader != want.leader ||
			*s.Load.Total != want.count || *s.Load.Clients != want.clients || *s.Load.Conns != want.conns {
			t.Errorf("row %d: %s: %+v", i+1, run.Name, s)
		}
	}
	quick, err := published.New(runner.Spec{}, published.Config{Quick: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := *quick.First().Spec.Load.Total; n != 1000 || quick.Plan().Length() >= e.Plan().Length() {
		t.Errorf("%d operations in %v, and %v", n, quick.Plan().Length(), e.Plan().Length())
	}
}

func TestNewRefuses(t *testing.T) {
	for want, s := range map[string]runner.Spec{
		"leave out the scenario":         {Scenario: "range"},
		"leave out --clients":            {Load: runner.Load{Clients: new(3)}},
		"leave out --target-leader":      {Cluster: runner.Cluster{TargetLeader: true}},
		"--members must be 1, 3 or 5":    {Cluster: runner.Cluster{Start: runner.Start{Members: new(2)}}},
		"--key-size 8 is too small: the": {Prefix: "/a/long/prefix/"},
	} {
		if _, err := published.New(s, published.Config{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}

// Rows that were measured stay when the comparison is resumed, and each has the figures of
// its run.
func TestRunAndResume(t *testing.T) {
	e, err := published.New(runner.Spec{}, published.Config{Quick: true})
	if err != nil {
		t.Fatal(err)
	}
	runs, stop := 0, 3
	run := func(_ context.Context, s runner.Spec, o runner.Options) (*results.Run, error) {
		if runs++; runs == stop {
			return nil, bench.ErrInterrupted
		}
		r := &results.Run{
			Schema: results.Schema, ID: "r", Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
			Plan: results.Plan{
				Transport: results.TransportLean, Workload: s.Scenario, Phases: []results.PlanPhase{{Name: "measure", Total: *s.Load.Total}},
			},
			Phases:     []results.Phase{{Name: "measure", Length: time.Second}},
			Operations: []results.Operation{{Phase: "measure", Op: s.Scenario, Offered: 1000, Completed: 1000}},
		}
		dir, err := results.Create(o.Dir)
		if err != nil {
			return nil, err
		}
		return r, errors.Join(dir.WriteRun(r), dir.Close())
	}
	options := experiment.Options{Dir: t.TempDir(), Run: run}
	if _, err := e.Run(t.Context(), options, nil); !errors.Is(err, bench.ErrInterrupted) || !strings.Contains(err.Error(), "2 of 7 rows done: continue with --resume") {
		t.Fatalf("error %v", err)
	}
	p, err := e.Run(t.Context(), options, nil)
	if err != nil || runs != 3+5 || len(p.Rows) != 7 {
		t.Fatalf("%d runs: %+v, %v", runs, p, err)
	}
	if r := p.Rows[0]; r.Rate != 1000 || r.PublishedRate != 583 || r.Validity != results.Valid || !p.Short {
		t.Errorf("%+v", r)
	}
}
