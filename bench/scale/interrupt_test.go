package scale

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/scratch"
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
			if p.Activity == stage {
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
	if data := dataDirs(t, dir); len(data) > 0 {
		t.Errorf("interrupted at %q: data left: %v", stage, data)
	}
	commands, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range commands {
		if text, _ := os.ReadFile(name); strings.Contains(string(text), dir) {
			t.Errorf("interrupted at %q: process left: %s", stage, name)
		}
	}
}

// dataDirs are the directories of data in that of a ladder.
func dataDirs(t *testing.T, dir string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, scratch.GivenDataDir("*")))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The data of a session that was killed are found, and removed when the ladder goes on. Those
// of the session under way are in use.
func TestDataOfKilledSession(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, scratch.GivenDataDir("20261120-101500-a1b2c3"))
	for _, path := range []string{"m1/member/wal", "snapshot"} {
		if err := os.MkdirAll(filepath.Join(left, path), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if found := scratch.AbandonedData(filepath.Dir(dir)); !slices.Equal(found, []string{left}) {
		t.Errorf("found %q, want %q", found, left)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	_, err := smallLadder(t).Run(ctx, experiment.Options{Dir: dir, Run: runner.Run}, func(p Progress) {
		if p.Activity != populationStage {
			return
		}
		defer cancel(bench.ErrInterrupted)
		data := dataDirs(t, dir)
		if len(data) != 1 || data[0] == left {
			t.Errorf("data in %q", data)
			return
		}
		if err := scratch.RemoveAbandoned(data[0]); !errors.Is(err, scratch.ErrInUse) {
			t.Errorf("data of a member that runs can be removed: %v", err)
		}
	})
	if !errors.Is(err, bench.ErrInterrupted) {
		t.Error(err)
	}
	nothingLeft(t, dir, populationStage)
}

// A ladder ends with what it has before a rung that does not fit, and says so. The rung before
// has every event that one member can have; a resumed ladder does not make it again.
func TestRungThatDoesNotFit(t *testing.T) {
	t.Parallel()
	e := smallLadder(t)
	e.sizes = append(e.sizes, 1e15)
	dir := t.TempDir()
	for resumed := range 2 {
		var there bool
		s, err := e.Run(t.Context(), experiment.Options{Dir: dir, Run: runner.Run}, func(p Progress) { there = there || p.Resumed })
		if err != nil || len(s.Rungs) != 1 || !strings.Contains(s.Stopped, "stopped before rung 2: 1.0 PB of data need about") ||
			there != (resumed == 1) {
			t.Fatalf("%d rungs, resumed %v, %q, %v", len(s.Rungs), there, s.Stopped, err)
		}
		for _, kind := range []string{
			results.ScaleCompaction, results.ScaleDefragmentation, results.ScaleSnapshot, results.ScaleListUnary, results.ScaleListPages,
			results.ScaleListStream, results.ScaleRestart, results.ScaleFullLogRestart, results.ScaleKill, results.ScaleClusterRestart,
			results.ScaleRestore,
		} {
			if _, ok := s.Rungs[0].Event(kind); !ok {
				t.Errorf("no %s: %+v", kind, s.Rungs[0].Events)
			}
		}
		nothingLeft(t, dir, "end")
	}
}
