package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(workloadstest.Waiting{M: m}, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// inProcess is a specification that a test can carry out quickly.
func inProcess(workload string, operations uint64) runner.Spec {
	s := runner.Spec{Scenario: workload}
	s.Load.Warmup, s.Load.Total, s.Load.Clients = new(time.Duration(0)), &operations, new(4)
	s.Cluster.Start.Members, s.Cluster.Start.InProcess, s.Cluster.Start.UnsafeNoFsync = new(1), true, new(true)
	s.Cluster.Start.DiskProbe = new(time.Millisecond)
	return s
}

// The zero specification is the run that the command line makes without flags.
func TestDefaults(t *testing.T) {
	r, err := runner.Spec{}.Resolve("20261120-101500-a1b2c3")
	if err != nil {
		t.Fatal(err)
	}
	p := r.Plan
	if p.Workload != "put" || p.Clients != 128 || p.Conns != 9 || p.Timeout != 10*time.Second || p.Seed != 1 || p.Target != results.DefaultTarget || !p.Verify {
		t.Errorf("plan %+v", p)
	}
	if p.Prefix != "/etcdbench/20261120-101500-a1b2c3/" {
		t.Errorf("prefix %q", p.Prefix)
	}
	if len(p.Phases) != 2 || p.Phases[0].Duration != 5*time.Second || !p.Phases[0].Warmup || p.Phases[1].Duration != 30*time.Second || p.Phases[1].Load.Open() {
		t.Errorf("phases %+v", p.Phases)
	}
	if r.Settings.Members != 3 || r.Settings.Quota != 8<<30 || r.Settings.Network != nil {
		t.Errorf("settings %+v", r.Settings)
	}
}

const scenarioText = `
parameters: {size: {default: 10, min: 1, max: 1000}}
cluster: {members: 5, heartbeat-interval: 50ms, quota: 1GiB, unsafe-no-fsync: true, etcd-flag: [max-txn-ops=300]}
clients: 9
timeout: 3s
target: 77
phases:
  - {name: warmup, duration: 1s, warmup: true}
  - {name: low, duration: 10s, rate: 100}
  - {name: high, duration: 30s, rate: 200}
mix: [{name: writes, workload: put, params: {val-size: "${size}"}}]
disturbances: [{kind: compaction, at: 1s}]
thresholds: ["put.failed == 0"]
`

// A scenario decides what the specification leaves open, and nothing else.
func TestSpecificationOverScenario(t *testing.T) {
	s := runner.Spec{Scenario: "mine.yaml", Text: scenarioText}
	resolve := func() *runner.Resolved {
		t.Helper()
		r, err := s.Resolve("")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r := resolve()
	if r.Plan.Clients != 9 || r.Plan.Timeout != 3*time.Second || r.Plan.Target != 77 || r.Settings.Members != 5 || r.Settings.Quota != 1<<30 ||
		!r.Settings.UnsafeNoFsync || r.Plan.Mix[0].Params["val-size"] != "10" || r.Plan.Thresholds[0] != "put.failed == 0" {
		t.Errorf("of the scenario: %+v %+v", r.Plan, r.Settings)
	}
	s.SetParameter("size", 20)
	s.Load.Clients, s.Load.Duration, s.Load.Warmup, s.Load.Rate = new(3), new(80*time.Second), new(time.Duration(0)), new(0.0)
	s.Cluster.Start.Members, s.Cluster.Start.UnsafeNoFsync, s.Cluster.Start.HeartbeatInterval = new(3), new(false), new(time.Duration(0))
	s.Cluster.Start.EtcdFlags = []string{"max-txn-ops=400"}
	s.Thresholds = []string{"put.failed < 5"}
	s.Disturbances = []results.PlanDisturbance{{Kind: "snapshot", At: time.Second}}
	r = resolve()
	if r.Plan.Clients != 3 || r.Settings.Members != 3 || r.Settings.UnsafeNoFsync || r.Settings.HeartbeatInterval != 0 || r.Plan.Mix[0].Params["val-size"] != "20" {
		t.Errorf("of the specification: %+v %+v", r.Plan, r.Settings)
	}
	if len(r.Plan.Phases) != 2 || r.Plan.Phases[0].Duration != 20*time.Second || r.Plan.Phases[1].Duration != time.Minute || r.Plan.Phases[0].Load.Open() {
		t.Errorf("phases %+v", r.Plan.Phases)
	}
	if got := strings.Join(r.Settings.EtcdFlags, " "); got != "max-txn-ops=300 max-txn-ops=400" {
		t.Errorf("flags of etcd %q, of which the last wins", got)
	}
	if len(r.Scenario.Disturbances) != 2 || r.Plan.Thresholds[0] != "put.failed < 5" {
		t.Errorf("disturbances %v, thresholds %v", r.Scenario.Disturbances, r.Plan.Thresholds)
	}
	s.Load.Total, s.Load.Duration = new(uint64(5)), nil
	if _, err := s.Resolve(""); err == nil || !strings.Contains(err.Error(), "--total is for one measured phase") {
		t.Errorf("a total over two phases: %v", err)
	}
}

// An error names the field, and the flag that stands for it.
func TestErrorsNameFieldAndFlag(t *testing.T) {
	for _, c := range []struct {
		field, flag string
		change      func(s *runner.Spec)
	}{
		{"schema", "schema", func(s *runner.Spec) { s.Schema = "etcdbench.spec/v9" }},
		{"scenario", "unknown workload", func(s *runner.Spec) { s.Scenario = "putt" }},
		{"load.clients", "--clients", func(s *runner.Spec) { s.Load.Clients = new(0) }},
		{"load.conns", "--conns", func(s *runner.Spec) { s.Load.Conns = new(100_000) }},
		{"load.rate", "--rate", func(s *runner.Spec) { s.Load.Rate = new(math.Inf(1)) }},
		{"load.warmup_ns", "--warmup", func(s *runner.Spec) { s.Load.Warmup = new(-time.Second) }},
		{"load.arrival", "--arrival", func(s *runner.Spec) { s.Load.Arrival = new(bench.ArrivalPoisson) }},
		{"load.queue", "--queue", func(s *runner.Spec) { s.Load.Queue = new(5) }},
		{"load", "--duration and --total", func(s *runner.Spec) { s.Load.Duration, s.Load.Total = new(time.Second), new(uint64(1)) }},
		{"prefix", "--prefix", func(s *runner.Spec) { s.Prefix = "/" }},
		{"keep_data", "--keep-data", func(s *runner.Spec) { s.KeepData = true }},
		{"workload", "--span", func(s *runner.Spec) { s.Workload = map[string]string{"span": "7"} }},
		{"disturbances", "--disturb", func(s *runner.Spec) { s.Disturbances = []results.PlanDisturbance{{Kind: "earthquake"}} }},
		{"disturbances", "cannot be combined with --endpoints", func(s *runner.Spec) {
			s.Cluster.Endpoints, s.AllowDisturbances = []string{"127.0.0.1:1"}, true
			s.Disturbances = []results.PlanDisturbance{{Kind: "kill"}}
		}},
		{"disturbances", "--in-process", func(s *runner.Spec) {
			s.Cluster.Start.InProcess, s.Disturbances = true, []results.PlanDisturbance{{Kind: "slow-disk"}}
		}},
		{"disturbances", "--members", func(s *runner.Spec) {
			s.Disturbances = []results.PlanDisturbance{{Kind: "kill", Params: map[string]string{"member": "m4"}}}
		}},
		{"disturbances", "kill@5s: the load is over after 5s", func(s *runner.Spec) {
			s.Load.Duration, s.Disturbances = new(5*time.Second), []results.PlanDisturbance{{Kind: "kill", At: 5 * time.Second}}
		}},
		{"thresholds", "threshold", func(s *runner.Spec) { s.Thresholds = []string{"put.p99 <"} }},
		{"thresholds", "no operation", func(s *runner.Spec) { s.Thresholds = []string{"set.failed == 0"} }},
		{"thresholds", "no phase", func(s *runner.Spec) { s.Thresholds = []string{"mesure:put.failed == 0"} }},
		{"profile.kinds", "--profile", func(s *runner.Spec) { s.Profile.Kinds = []string{"cup"} }},
		{"profile.on_anomaly_ns", "--profile-on-anomaly", func(s *runner.Spec) { s.Profile.OnAnomaly = new(time.Duration(0)) }},
		{"cluster.start", "--members", func(s *runner.Spec) { s.Cluster.Start.Members = new(2) }},
		{"cluster.start.etcd_binary", "--etcd-binary", func(s *runner.Spec) { s.Cluster.Start.Binary = "nowhere" }},
		{"cluster.start.etcd_version", "--etcd-version", func(s *runner.Spec) { s.Cluster.Start.Version = new("3.6") }},
		{"cluster.start.tls", "--tls", func(s *runner.Spec) { s.Cluster.Start.TLS = new("maybe") }},
		{"cluster.start", "--members", func(s *runner.Spec) {
			s.Cluster.Endpoints, s.Cluster.Start.Members = []string{"127.0.0.1:1"}, new(3)
		}},
		{"cluster.remote", "--cacert", func(s *runner.Spec) { s.Cluster.Remote.CACert = "ca.pem" }},
		{"cluster.remote.user", "ETCDBENCH_PASSWORD", func(s *runner.Spec) {
			s.Cluster.Endpoints, s.Cluster.Remote.User = []string{"127.0.0.1:1"}, "root:secret"
		}},
		{"cluster.endpoints", "host:port", func(s *runner.Spec) { s.Cluster.Endpoints = []string{"host"} }},
		{"allow_disturbances", "--allow-disturbances", func(s *runner.Spec) {
			s.Cluster.Endpoints, s.Disturbances = []string{"127.0.0.1:1"}, []results.PlanDisturbance{{Kind: "compaction"}}
		}},
		{"allow_disturbances", "--compact-interval", func(s *runner.Spec) {
			s.Cluster.Endpoints, s.Workload = []string{"127.0.0.1:1"}, map[string]string{"compact-interval": "1s"}
		}},
		{"allow_disturbances", "--compact-interval", func(s *runner.Spec) {
			s.Cluster.Endpoints, s.Scenario = []string{"127.0.0.1:1"}, "mine.yaml"
			s.Text = "parameters: {every: {default: 5, min: 1, max: 60}}\n" +
				"mix: [{workload: range, weight: 9}, {workload: put, params: {compact-interval: \"${every}s\"}}]\n"
		}},
		{"experiment", "faults", func(s *runner.Spec) {
			s.Cluster.Start.InProcess, s.Experiment.MemberDown = true, true
		}},
	} {
		var s runner.Spec
		c.change(&s)
		_, err := s.Resolve("")
		spec, ok := errors.AsType[*runner.SpecError](err)
		if !ok || spec.Field != c.field || !strings.Contains(err.Error(), c.flag) {
			t.Errorf("want %s and %s, got %v", c.field, c.flag, err)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret")) {
			t.Errorf("error %q", err)
		}
	}
}

// A specification survives its JSON form, but for values of the members' environment.
func TestJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := runner.Spec{Schema: runner.Schema, Scenario: rapid.SampledFrom([]string{"", "put", "ycsb-a"}).Draw(t, "scenario")}
		s.Load.Clients, s.Load.Rate = rapid.Ptr(rapid.Int(), true).Draw(t, "clients"), rapid.Ptr(rapid.Float64Range(0, 1e9), true).Draw(t, "rate")
		s.Load.Warmup = rapid.Ptr(rapid.Map(rapid.Int64(), func(n int64) time.Duration { return time.Duration(n) }), true).Draw(t, "warmup")
		s.Verify, s.Label = rapid.Ptr(rapid.Bool(), true).Draw(t, "verify"), rapid.String().Draw(t, "label")
		s.Parameters = map[string]float64{"records": rapid.Float64Range(-1e9, 1e9).Draw(t, "records")}
		s.Cluster.Start.Network = cluster.Network{RTT: time.Duration(rapid.Int64().Draw(t, "rtt")), Zones: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "zones")}
		s.Cluster.Start.Env = []runner.Variable{{Name: "TOKEN", Value: "hunter2"}}
		s.Experiment.Faults = &runner.Faults{Kinds: []string{results.FaultKillLeader}, Begin: time.Second}
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(data), "hunter2") {
			t.Fatalf("a secret in %s", data)
		}
		var back runner.Spec
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(back)
		if err != nil || string(again) != string(data) {
			t.Fatalf("%s became %s, %v", data, again, err)
		}
	})
}

// What is changed in a clone is not changed in the original.
func TestClone(t *testing.T) {
	s := runner.Spec{Parameters: map[string]float64{"a": 1}, Workload: map[string]string{"val-size": "1"}, Thresholds: []string{"x"}}
	s.Cluster.Start.EtcdFlags, s.Cluster.Endpoints = make([]string, 1, 5), make([]string, 1, 5)
	c := s.Clone()
	c.SetParameter("a", 2)
	c.Workload["val-size"] = "2"
	c.Thresholds[0] = "y"
	_ = append(c.Cluster.Start.EtcdFlags, "b")
	if full := s.Cluster.Start.EtcdFlags[:2]; s.Parameters["a"] != 1 || s.Workload["val-size"] != "1" || s.Thresholds[0] != "x" || full[1] != "" {
		t.Errorf("the original is %+v", s)
	}
}

// A run is on disk when Run returns, and nothing else is left of it.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	run, err := runner.Run(t.Context(), inProcess("put", 300), runner.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if run.Outcome != results.Completed || run.Operations[0].Completed != 300 || run.Proof == nil || run.Proof.Verdict != results.Proved {
		t.Errorf("outcome %s, %+v, proof %+v", run.Outcome, run.Operations[0], run.Proof)
	}
	saved, err := results.Read(dir)
	if err != nil || saved.ID != run.ID || saved.Operations[0].Completed != 300 {
		t.Errorf("saved %+v, %v", saved, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data of the members is left: %v", err)
	}
	// Nothing is overwritten.
	_, err = runner.Run(t.Context(), inProcess("put", 1), runner.Options{Dir: dir})
	if _, ok := errors.AsType[*runner.SpecError](err); !ok || !strings.Contains(err.Error(), "already contains a result") {
		t.Errorf("a second run in the same directory: %v", err)
	}
}

// Without a directory, nothing is kept.
func TestRunWithoutDirectory(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	s := inProcess("range", 50)
	s.Workload = map[string]string{"key-space-size": "200"}
	run, err := runner.Run(t.Context(), s, runner.Options{})
	if err != nil || run.Operations[0].Completed != 50 {
		t.Errorf("%+v, %v", run, err)
	}
	if left, _ := os.ReadDir(temporary); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A run that is interrupted has its result, and is no error.
func TestInterruptedRun(t *testing.T) {
	s := inProcess("put", 1)
	s.Load.Total, s.Load.Duration = nil, new(time.Hour)
	ctx, cancel := context.WithCancelCause(t.Context())
	dir := filepath.Join(t.TempDir(), "run")
	go func() {
		for ctx.Err() == nil {
			if info, err := os.Stat(filepath.Join(dir, results.JournalFile)); err == nil && info.Size() > 0 {
				cancel(bench.ErrInterrupted)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	run, err := runner.Run(ctx, s, runner.Options{Dir: dir})
	if err != nil || run.Outcome != results.Interrupted {
		t.Errorf("%+v, %v", run, err)
	}
}

// The text of a resolved specification is a scenario that resolves to the same plan.
func TestText(t *testing.T) {
	for _, name := range []string{"put", "kubernetes", "ycsb-e", "watch", "saturate"} {
		s := runner.Spec{Scenario: name, Prefix: "/same/"}
		r, err := s.Resolve("x")
		if err != nil {
			t.Fatal(err)
		}
		text, err := r.Text()
		if err != nil {
			t.Fatal(err)
		}
		again, err := runner.Spec{Scenario: name + ".yaml", Text: text, Prefix: "/same/"}.Resolve("x")
		if err != nil {
			t.Fatalf("%s: %v in\n%s", name, err, text)
		}
		same := func(p bench.Plan) string {
			p.Parameters, p.Scenario, p.Params, p.Mix = nil, "", nil, p.Entries()
			data, _ := json.Marshal(p)
			return string(data)
		}
		if a, b := same(r.Plan), same(again.Plan); a != b {
			t.Errorf("%s:\n%s\nbecame\n%s", name, a, b)
		}
	}
}

// Every member has as many connections as the others, unless it is said how many there
// are: in whichever order the endpoints are given.
func TestBalance(t *testing.T) {
	for _, c := range []struct {
		change func(s *runner.Spec)
		want   int
	}{
		{func(*runner.Spec) {}, 9},
		{func(s *runner.Spec) { s.Cluster.Start.Members = new(5) }, 10},
		{func(s *runner.Spec) { s.Cluster.Start.Members = new(1) }, 8},
		{func(s *runner.Spec) { s.Cluster.Endpoints = []string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"} }, 9},
		{func(s *runner.Spec) { s.Cluster.TargetLeader = true }, 8},
		{func(s *runner.Spec) { s.Scenario = "target-10k" }, 18},
		{func(s *runner.Spec) { s.Load.Conns = new(7) }, 7},
	} {
		var s runner.Spec
		c.change(&s)
		r, err := s.Resolve("")
		if err != nil || r.Plan.Conns != c.want {
			t.Errorf("%+v: %d connections, want %d, %v", s.Cluster, r.Plan.Conns, c.want, err)
		}
	}
	run, err := runner.Run(t.Context(), inProcess("put", 20), runner.Options{})
	if err != nil || run.Cluster.Members[0].Conns != 8 {
		t.Errorf("members %+v, %v", run.Cluster.Members, err)
	}
}

// A disturbance decides what the cluster is started with, and only what it needs.
func TestDisturbancesDecideTheCluster(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind         string
		links, syncs bool
	}{{kind: "kill"}, {kind: "snapshot"}, {kind: "cut", links: true}, {kind: "slow-disk", syncs: true}} {
		s := runner.Spec{Disturbances: []results.PlanDisturbance{{Kind: c.kind}}}
		r, err := s.Resolve("")
		if c.syncs && disk.Check() != nil {
			if err == nil || !strings.Contains(err.Error(), "Linux 5.5") {
				t.Errorf("%s: error %v", c.kind, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Settings; (got.Network != nil) != c.links || got.Disk.Syncs != c.syncs || got.Disk.Writes {
			t.Errorf("%s: network %v, disk %v", c.kind, got.Network, got.Disk)
		}
	}
}
