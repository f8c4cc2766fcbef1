package machine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	e := Describe(t.Context())
	if e.CPUs < 1 || e.Go == "" || e.OS != runtime.GOOS || e.Tool == "" {
		t.Errorf("not described: %+v", e)
	}
	if runtime.GOOS == "linux" && (e.Memory == 0 || e.Kernel == "") {
		t.Errorf("Linux tells more: %+v", e)
	}
}

func TestUsage(t *testing.T) {
	before := ReadUsage()
	for begin := time.Now(); time.Since(begin) < 300*time.Millisecond; { // some CPU
	}
	runtime.GC()
	u := ReadUsage().Since(before)
	if u.Elapsed < 300*time.Millisecond || u.CPU <= 0 || u.GCs < 1 || u.MaxRSS == 0 {
		t.Errorf("usage %+v", u)
	}
	for name, share := range map[string]float64{"CPU": u.CPUShare(), "machine": u.MachineShare(), "steal": u.StealShare(), "throttled": u.ThrottledShare()} {
		if share < 0 || share > 1.2 {
			t.Errorf("%s share %v", name, share)
		}
	}
	if runtime.GOOS == "linux" && u.MachineShare() == 0 {
		t.Error("the machine was idle while this test was not")
	}
}

func TestProbeDisk(t *testing.T) {
	dir := t.TempDir()
	d, err := ProbeDisk(t.Context(), dir, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if d.Syncs == 0 || d.SyncP50 <= 0 || d.SyncP99 < d.SyncP50 {
		t.Errorf("probe %+v", d)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("the probe left %v", entries)
	}
	if _, err := ProbeDisk(t.Context(), filepath.Join(dir, "nowhere"), time.Millisecond); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("probe of a directory that is not there: %v", err)
	}
}

// The heap grows to its goal while little is live, and by a part of what is live when
// that is much.
func TestTuneGC(t *testing.T) {
	t.Setenv("GOGC", "")
	setting, undo := TuneGC()
	defer undo()
	if setting != "heap goal 28 MiB" {
		t.Errorf("setting %q", setting)
	}
	for _, live := range []int{0, 20 << 20, 120 << 20} {
		kept := make([]byte, live)
		least := uint64(heapGoal)
		if live > heapGoal {
			least = uint64(live) * (100 + leastPercent) / 100
		}
		fits := func() bool { return heapMayGrowTo() > least*3/4 && heapMayGrowTo() < least*3/2 }
		for range 5000 {
			if fits() {
				break
			}
			runtime.GC()
			time.Sleep(time.Millisecond)
		}
		if !fits() {
			t.Errorf("%d bytes live: the heap may grow to %d, want some %d", live, heapMayGrowTo(), least)
		}
		runtime.KeepAlive(kept)
	}
	t.Setenv("GOGC", "77")
	if got, _ := TuneGC(); got != "77" {
		t.Errorf("GOGC of the environment became %s", got)
	}
}

func heapMayGrowTo() uint64 {
	goal := []metrics.Sample{{Name: "/gc/heap/goal:bytes"}}
	metrics.Read(goal)
	return goal[0].Value.Uint64()
}
