package scale

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
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// smallLadder is a ladder of one rung and one member, without waiting.
func smallLadder(t *testing.T) *Experiment {
	t.Helper()
	s := runner.Spec{}
	s.Cluster.Start.Members, s.Cluster.Start.UnsafeNoFsync = new(1), new(true)
	s.Load.Rate, s.Load.Warmup = new(200.0), new(time.Duration(0))
	e, err := New(s, Config{Sizes: []int64{130_000}, ObjectSize: new(int64(256)), ListClients: new(2), Lead: new(10 * time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	e.steady = 300 * time.Millisecond
	return e
}

// An interrupt at the beginning of a stage leaves no process, no data and no rung that is
// taken for complete. The next session reaches the stages after it.
func TestInterruptAtEachStage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, stage := range []string{startStage, populationStage, steadyStage, results.ScaleDefragmentation, results.ScaleRestart} {
		ctx, cancel := context.WithCancelCause(t.Context())
		s, err := smallLadder(t).Run(ctx, experiment.Options{Dir: dir, Run: runner.Run}, func(p Progress) {
			if p.Doing == stage {
				cancel(bench.ErrInterrupted)
			}
		})
		cancel(nil)
		if !errors.Is(err, bench.ErrInterrupted) || s.Stopped == "" || len(s.Rungs) > 0 {
			t.Fatalf("interrupted at %q: %d rungs, %q, %v", stage, len(s.Rungs), s.Stopped, err)
		}
		nothingLeft(t, dir, stage)
	}
}

// nothingLeft checks that no member of a ladder runs, and that none has data.
func nothingLeft(t *testing.T, dir, stage string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("interrupted at %q: data left: %v", stage, err)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range commands {
		if text, _ := os.ReadFile(name); strings.Contains(string(text), dir) {
			t.Errorf("interrupted at %q: process left: %s", stage, name)
		}
	}
}
