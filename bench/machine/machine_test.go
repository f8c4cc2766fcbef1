package machine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
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

func TestCalmGC(t *testing.T) {
	t.Setenv("GOGC", "")
	for clients, want := range map[int]string{1: "1356", 1000: "79", 100_000: "75"} {
		got, undo := CalmGC(clients)
		undo()
		if got != want {
			t.Errorf("GOGC for %d clients is %s, want %s", clients, got, want)
		}
	}
	t.Setenv("GOGC", "77")
	if got, _ := CalmGC(1); got != "77" {
		t.Errorf("GOGC of the environment became %s", got)
	}
}
