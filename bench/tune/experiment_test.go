package tune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// Every trial is the base specification with a candidate's settings, its own phases and
// the faults of its kind.
func TestTrialsAreDerived(t *testing.T) {
	var base runner.Spec
	base.Load.Seed, base.Load.Conns, base.Label = new(uint64(5)), new(9), "mine"
	base.Cluster.Start.Network.RTT = 20 * time.Millisecond
	base.Cluster.Start.EtcdFlags = []string{"max-txn-ops=300"}
	e, err := New(base, Config{Effort: experiment.Quick, Heartbeats: []time.Duration{50 * time.Millisecond}, Elections: []time.Duration{400 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	var specs []runner.Spec
	calls := 0
	made := pretend(t, 20*time.Millisecond, &calls)
	run := func(ctx context.Context, s runner.Spec, o runner.Options) (*results.Run, error) {
		if _, err := s.Resolve(""); err != nil {
			return nil, err
		}
		specs = append(specs, s)
		name := "100ms/1s"
		if slices.Contains(s.Cluster.Start.EtcdFlags, "election-timeout=400") {
			name = "50ms/400ms"
		}
		i := slices.IndexFunc(e.candidates, func(c Candidate) bool { return c.Name == name })
		return made(ctx, Trial{Candidate: e.candidates[i], Seed: *s.Load.Seed, Dir: o.Dir})
	}
	tuned, err := e.Run(t.Context(), experiment.Options{Dir: t.TempDir(), Run: run}, nil)
	if err != nil || tuned.Recommended != "50ms/400ms" || tuned.Compared == nil {
		t.Fatalf("%+v, %v", tuned, err)
	}
	if len(specs) != 2+2*2 {
		t.Fatalf("%d runs", len(specs))
	}
	for i, s := range specs {
		phases := s.Load.Phases
		names := fmt.Sprint(phases[0].Name, phases[1].Name, phases[2].Name, phases[3].Name)
		if names != "idlewarmupsteadyfaults" || phases[2].Load.Rate != 200 || *s.Load.Conns != 9 || s.Label != "mine" || s.Cluster.Start.EtcdFlags[0] != "max-txn-ops=300" || !s.Experiment.Resilience {
			t.Errorf("run %d: %+v", i+1, s)
		}
		kinds := len(s.Experiment.Faults.Kinds)
		if want := map[bool]int{true: 5, false: 1}[i < 2]; kinds != want {
			t.Errorf("run %d has %d faults, want %d", i+1, kinds, want)
		}
	}
	if *specs[0].Load.Seed != 5 {
		t.Errorf("seed %d", *specs[0].Load.Seed)
	}
}

// A cluster that elects nobody is a finding; another error ends the tuning.
func TestNobodyElected(t *testing.T) {
	e, err := New(runner.Spec{}, Config{Dimension: "snapshot-count", Values: []string{"1000"}, Rounds: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	silent := func(context.Context, runner.Spec, runner.Options) (*results.Run, error) {
		return nil, fmt.Errorf("start cluster: %w: member m1: no answer\nthe last lines", cluster.ErrNotReady)
	}
	tuned, err := e.Run(t.Context(), experiment.Options{Dir: t.TempDir(), Run: silent}, nil)
	if err != nil || len(tuned.Tried) != 2 || tuned.Tried[0].Finding != "no leader could be elected in 1m0s: member m1: no answer" {
		t.Errorf("%+v, %v", tuned, err)
	}
	broken := errors.New("disk full")
	tuned, err = e.Run(t.Context(), experiment.Options{
		Dir: t.TempDir(),
		Run: func(context.Context, runner.Spec, runner.Options) (*results.Run, error) { return nil, broken },
	}, nil)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "with 0 runs done: disk full; continue with --resume ") || tuned.Recommended != "" {
		t.Errorf("%+v, %v", tuned, err)
	}
}

// What a tuning decides itself is refused, and named.
func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(s *runner.Spec, c *Config){
		"--duration": func(s *runner.Spec, _ *Config) { s.Load.Duration = new(time.Second) },
		"--election": func(s *runner.Spec, _ *Config) { s.Cluster.Start.ElectionTimeout = new(time.Second) },
		"--disturb":  func(s *runner.Spec, _ *Config) { s.Disturbances = []results.PlanDisturbance{{Kind: "snapshot"}} },
		"--rounds":   func(_ *runner.Spec, c *Config) { c.Rounds = []int{6, 4} },
		"--steady":   func(_ *runner.Spec, c *Config) { c.Steady = new(time.Second) },
		"--try":      func(_ *runner.Spec, c *Config) { c.Values = []string{"1"} },
		"--members":  func(s *runner.Spec, _ *Config) { s.Cluster.Start.Members = new(1) },
	} {
		var s runner.Spec
		var c Config
		change(&s, &c)
		if _, err := New(s, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want a refusal that names %s, got %v", want, err)
		}
	}
}
