package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Runs of a directory come oldest first; what is no result is skipped and said,
// and a directory without any is an error.
func TestHistory(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, started time.Time) {
		t.Helper()
		d, err := Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		l := latency(t, 1_000_000)
		run := &Run{Schema: Schema, ID: name, Outcome: Completed, Started: started, Operations: []Operation{{Phase: "measure", Op: "put", Offered: 1, Completed: 1, ResponseTime: l}}}
		if err := d.WriteStart(run); err != nil {
			t.Fatal(err)
		}
		if err := d.WriteRun(run); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// The slots of an experiment are no runs of the history, however deep they lie.
	save("gate-1/rounds/001/baseline", time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC))
	save("ci/capacity-1/probe-001", time.Date(2026, 11, 19, 0, 0, 0, 0, time.UTC))
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	save("b", now.Add(time.Hour))
	save("nested/a", now)
	for path, text := range map[string]string{"gate-1/experiment.json": "{}", "gate-1/verdict.json": "{}", "ci/capacity-1/experiment.json": "{}", "cut/run.json": "{", "newer/run.json": `{"schema": "etcdbench.run/v9"}`, "b/members/run.json": "{", "other.txt": "text"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, path)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	runs, skipped, err := History(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs[0].ID != "nested/a" || runs[1].ID != "b" || len(skipped) != 2 {
		t.Errorf("runs %v, skipped %v", runs, skipped)
	}
	if l := runs[0].Operations[0].ResponseTime; l.HDR != "" || l.Percentile(99).Time == 0 {
		t.Errorf("latency %+v", l)
	}
	if _, _, err := History(filepath.Join(dir, "ci")); err == nil || !strings.Contains(err.Error(), "no results but those of experiments (1)") {
		t.Errorf("a directory of experiments: %v", err)
	}
	if _, _, err := History(filepath.Join(dir, "gate-1")); err == nil || !strings.Contains(err.Error(), "is one experiment") {
		t.Errorf("an experiment: %v", err)
	}
	if _, _, err := History(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no results") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, _, err := History(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("no error of a directory that is not there")
	}
}
