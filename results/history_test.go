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
	now := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	save("b", now.Add(time.Hour))
	save("nested/a", now)
	for path, text := range map[string]string{"cut/run.json": "{", "newer/run.json": `{"schema": "etcdbench.run/v9"}`, "b/members/run.json": "{", "other.txt": "text"} {
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
	if l := runs[0].Operations[0].ResponseTime; l.HDR != "" || l.P99 == 0 {
		t.Errorf("latency %+v", l)
	}
	if _, _, err := History(t.TempDir()); err == nil || !strings.Contains(err.Error(), "holds no results") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, _, err := History(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("no error of a directory that is not there")
	}
}

// Two runs differ in what decides their figures, and in nothing else.
func TestDifferences(t *testing.T) {
	a := &Run{Plan: Plan{Workload: "put", Clients: 8, Params: map[string]string{"val-size": "256"}}, Cluster: Cluster{Kind: "process", Version: "3.7.3"}, Environment: Environment{CPUs: 2}}
	same := *a
	same.ID, same.Started = "other", time.Now()
	if d := Differences(a, &same); len(d) != 0 {
		t.Errorf("two runs of one kind differ in %v", d)
	}
	b := *a
	b.Plan.Params = map[string]string{"val-size": "512"}
	b.Plan.Clients, b.Cluster.Version, b.Environment.CPUs, b.Validity.Verdict = 9, "3.6.14", 4, Invalid
	d := strings.Join(Differences(a, &b), "\n")
	for _, want := range []string{"val-size: 256 against 512", "clients: 8 against 9", "etcd: 3.7.3 against 3.6.14", "machine: 2 CPUs", "validity: none against invalid"} {
		if !strings.Contains(d, want) {
			t.Errorf("differences without %q:\n%s", want, d)
		}
	}
	if a.Series() != same.Series() || a.Series() == b.Series() {
		t.Error("series do not tell plans apart")
	}
	b = *a
	b.Cluster.Version = "3.6.14"
	if a.Series() != b.Series() {
		t.Error("another version is another series")
	}
}
