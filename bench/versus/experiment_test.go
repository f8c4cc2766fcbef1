package versus_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

func config() versus.Config {
	c := versus.Config{Length: 2 * time.Second, Warmup: time.Second, Rules: judge.DefaultRules()}
	c.Rules.Primary, c.Rules.Looks = []string{"allocs"}, []int{7}
	c.Baseline.Label, c.Candidate.Label = "base", "changed"
	c.Candidate.Spec.Cluster.Start.BackendBatchLimit = new(1)
	return c
}

// Both sides of a round differ in what the sides differ in, and in nothing else.
func TestSlotsAreDerived(t *testing.T) {
	e, err := versus.New(config())
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{t: t, allocs: steady(0.5)}
	var specs []runner.Spec
	run := func(ctx context.Context, s runner.Spec, o runner.Options) (*results.Run, error) {
		if _, err := s.Resolve(""); err != nil {
			return nil, err
		}
		specs = append(specs, s)
		side := versus.Baseline
		if strings.HasSuffix(o.Dir, versus.Candidate) {
			side = versus.Candidate
		}
		return f.run(ctx, versus.Slot{Round: (len(specs) + 1) / 2, Side: side, Dir: o.Dir})
	}
	v, err := e.Run(t.Context(), experiment.Options{Dir: t.TempDir(), Run: run}, nil)
	if err != nil || v.Verdict != results.Fail || v.Rounds != 7 || v.Candidate != "changed" {
		t.Fatalf("%+v, %v", v, err)
	}
	for i := 0; i < len(specs); i += 2 {
		a, b := specs[i], specs[i+1]
		if (a.Cluster.Start.BackendBatchLimit == nil) == (b.Cluster.Start.BackendBatchLimit == nil) || *a.Load.Seed != *b.Load.Seed || a.Prefix != b.Prefix {
			t.Errorf("round %d: %+v and %+v", i/2+1, a, b)
		}
		if *a.Load.Duration != 2*time.Second || *a.Load.Warmup != time.Second || !*a.Verify || *a.Cluster.Start.DiskProbe != 200*time.Millisecond {
			t.Errorf("round %d: %+v", i/2+1, a)
		}
	}
}

// A side that cannot be run is named before anything is started.
func TestWrongSide(t *testing.T) {
	c := config()
	c.Candidate.Spec.Cluster.Start.Members = new(2)
	if _, err := versus.New(c); err == nil || !strings.HasPrefix(err.Error(), "--candidate: ") {
		t.Errorf("error %v", err)
	}
	c = config()
	c.Baseline.Spec.Load.Total = new(uint64(5))
	if _, err := versus.New(c); err == nil || !strings.Contains(err.Error(), "--slot-duration") {
		t.Errorf("error %v", err)
	}
}

// A comparison of a storage layer is possible: unlike one of clusters, it has no proof.
func TestStorageIsCompared(t *testing.T) {
	for _, workload := range []string{"storage-put", "wal-append"} {
		c := config()
		c.Baseline.Spec.Scenario, c.Candidate.Spec.Scenario = workload, workload
		c.Baseline.Spec.Cluster, c.Candidate.Spec.Cluster = runner.Cluster{}, runner.Cluster{}
		if _, err := versus.New(c); err != nil {
			t.Errorf("%s: %v", workload, err)
		}
	}
}

// Two sides with different transports are refused; auto is lean.
func TestTransportsOfSides(t *testing.T) {
	c := config()
	c.Candidate.Spec.Load.Transport = new(results.TransportLean)
	if _, err := versus.New(c); err != nil {
		t.Error(err)
	}
	c.Candidate.Spec.Load.Transport = new(results.TransportGRPC)
	if _, err := versus.New(c); err == nil || !strings.Contains(err.Error(), "the baseline has --transport lean and the candidate --transport grpc") {
		t.Errorf("error %v", err)
	}
}

// A comparison whose rounds were measured with another transport does not go on, and
// measures nothing.
func TestResumeWithAnotherTransport(t *testing.T) {
	c, dir := config(), t.TempDir()
	f := &fake{t: t, allocs: steady(0)}
	if _, err := f.run(t.Context(), versus.Slot{Round: 1, Side: versus.Baseline, Dir: filepath.Join(versus.RoundDir(dir, 1), versus.Baseline)}); err != nil {
		t.Fatal(err)
	}
	e, err := versus.New(c)
	if err != nil {
		t.Fatal(err)
	}
	run := func(context.Context, runner.Spec, runner.Options) (*results.Run, error) {
		return nil, errors.New("a run was made")
	}
	_, err = e.Run(t.Context(), experiment.Options{Dir: dir, Run: run}, nil)
	if err == nil || !strings.Contains(err.Error(), "was measured with --transport grpc, but the experiment continues with --transport lean") {
		t.Errorf("error %v", err)
	}
}

// An interrupt says how many rounds there are, and how to go on.
func TestInterruptedComparison(t *testing.T) {
	e, err := versus.New(config())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &fake{t: t, allocs: steady(0)}
	made, dir := 0, t.TempDir()
	run := func(ctx context.Context, _ runner.Spec, o runner.Options) (*results.Run, error) {
		if made++; made == 4 {
			cancel(bench.ErrInterrupted)
		}
		return f.run(ctx, versus.Slot{Round: made, Dir: o.Dir})
	}
	_, err = e.Run(ctx, experiment.Options{Dir: dir, Run: run}, nil)
	if !errors.Is(err, bench.ErrInterrupted) || fmt.Sprint(err) != "interrupted, with 1 round done: continue with --resume "+dir {
		t.Errorf("error %v", err)
	}
}
