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
	if _, _, err := History(filepath.Join(dir, "ci")); err == nil || !strings.Contains(err.Error(), "contains only results of experiments (1)") {
		t.Errorf("a directory of experiments: %v", err)
	}
	if _, _, err := History(filepath.Join(dir, "gate-1")); err == nil || !strings.Contains(err.Error(), "is one experiment") {
		t.Errorf("an experiment: %v", err)
	}
	if _, _, err := History(t.TempDir()); err == nil || !strings.Contains(err.Error(), "contains no results") {
		t.Errorf("an empty directory: %v", err)
	}
	if _, _, err := History(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("no error of a directory that is not there")
	}
}

// Whatever changes a figure makes another series; versions, the seed, the run's own
// prefix and what is only compared with do not.
func TestSeries(t *testing.T) {
	run := func() *Run {
		return &Run{
			Plan: Plan{
				Workload: "mix", Prefix: "/etcdbench/run-1/", Clients: 8, Conns: 2, Timeout: time.Second, Params: map[string]string{"val-size": "256"},
				Mix:          []PlanEntry{{Name: "put", Workload: "put", Weight: 1, Prefix: "/etcdbench/run-1/a/", Params: map[string]string{"val-size": "256"}}},
				Population:   []PlanPopulation{{Prefix: "/etcdbench/run-1/p/", Keys: 100, KeySize: 8, ValSize: "16"}},
				Disturbances: []PlanDisturbance{{Kind: "compact", Every: time.Second}}, Parameters: map[string]float64{"nodes": 5},
				Phases: []PlanPhase{{Name: "measure", Duration: time.Minute, Load: Load{Rate: 100, RateEnd: 200, Arrival: "poisson"}}},
			},
			Cluster:     Cluster{Kind: ClusterProcess, Version: "3.7.3", Members: []Member{{Name: "m1"}}, Settings: map[string]string{"quota-backend-bytes": "1"}},
			Environment: Environment{CPUs: 2, GOMAXPROCS: 2, Kernel: "6.1", Tool: "v1", Disk: &Disk{FileSystem: "ext4", SyncP50: time.Millisecond}},
		}
	}
	name := run().Series()
	for what, change := range map[string]func(r *Run){
		"arrival":           func(r *Run) { r.Plan.Phases[0].Load.Arrival = "constant" },
		"ramp":              func(r *Run) { r.Plan.Phases[0].Load.RateEnd = 300 },
		"rate":              func(r *Run) { r.Plan.Phases[0].Load.Rate = 300 },
		"length":            func(r *Run) { r.Plan.Phases[0].Duration++ },
		"warm-up":           func(r *Run) { r.Plan.Phases[0].Warmup = true },
		"disturbance":       func(r *Run) { r.Plan.Disturbances[0].Every++ },
		"population":        func(r *Run) { r.Plan.Population[0].Keys++ },
		"population's keys": func(r *Run) { r.Plan.Population[0].Prefix += "long/" },
		"timeout":           func(r *Run) { r.Plan.Timeout++ },
		"queue":             func(r *Run) { r.Plan.QueueLimit++ },
		"drain":             func(r *Run) { r.Plan.Drain++ },
		"clients":           func(r *Run) { r.Plan.Clients++ },
		"connections":       func(r *Run) { r.Plan.Conns++ },
		"transport":         func(r *Run) { r.Plan.Transport = TransportLean },
		"proof":             func(r *Run) { r.Plan.Verify = true },
		"parameter":         func(r *Run) { r.Plan.Parameters["nodes"]++ },
		"workload's flag":   func(r *Run) { r.Plan.Params["val-size"] = "1" },
		"entry's flag":      func(r *Run) { r.Plan.Mix[0].Params["val-size"] = "1" },
		"weight":            func(r *Run) { r.Plan.Mix[0].Weight++ },
		"length of keys":    func(r *Run) { r.Plan.Prefix += "x" },
		"TLS":               func(r *Run) { r.Cluster.TLS = true },
		"kind":              func(r *Run) { r.Cluster.Kind = ClusterRemote },
		"members":           func(r *Run) { r.Cluster.Members = append(r.Cluster.Members, Member{}) },
		"members' settings": func(r *Run) { r.Cluster.Settings["env:GOGC"] = "(set)" },
		"file system":       func(r *Run) { r.Environment.Disk.FileSystem = "tmpfs" },
		"no disk":           func(r *Run) { r.Environment.Disk = nil },
		"CPUs":              func(r *Run) { r.Environment.CPUs++ },
		"GOMAXPROCS":        func(r *Run) { r.Environment.GOMAXPROCS++ },
		"GOGC":              func(r *Run) { r.Environment.GOGC = "50" },
		"kernel":            func(r *Run) { r.Environment.Kernel = "6.2" },
		"memory limit":      func(r *Run) { r.Environment.MemoryLimit++ },
		"profiles":          func(r *Run) { r.Profiles = []Profile{{File: "cpu.pprof"}} },
	} {
		r := run()
		if change(r); r.Series() == name {
			t.Errorf("another %s is the same series: %s", what, name)
		}
	}
	r := run()
	r.ID, r.Label, r.Plan.Seed, r.Plan.Target, r.Plan.Thresholds, r.Plan.Scenario = "run-2", "rev", 7, 1, []string{"put.failed == 0"}, "x.yaml"
	r.Plan.Transport = TransportGRPC // as that of plans that name none
	r.Plan.Prefix, r.Plan.Mix[0].Prefix, r.Plan.Population[0].Prefix = "/etcdbench/run-2/", "/etcdbench/run-2/a/", "/etcdbench/run-2/p/"
	r.Cluster.Version, r.Cluster.Binary, r.Environment.Tool, r.Environment.Disk.SyncP50 = "3.6", "etcd", "v2", 1
	r.Cluster.Members[0].PID, r.Cluster.Members[0].Endpoint = 7, "127.0.0.1:1234"
	if r.Series() != name {
		t.Errorf("another run of the series is\n%s, not\n%s", r.Series(), name)
	}
	if r.Plan.Mix[0].Prefix != "/etcdbench/run-2/a/" {
		t.Error("the plan was changed")
	}
}
