package scenario_test

import (
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// The test program stands in for etcdbench's hidden command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// composed is a scenario's workload, disturbances and plan.
func composed(t *testing.T, s *scenario.Scenario, target workloads.Target) (bench.Workload, bench.Plan, []bench.Disturbance) {
	t.Helper()
	entries, err := s.PlanEntries(target.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := workloads.Parts(entries)
	if err != nil {
		t.Fatal(err)
	}
	population, err := s.PlanPopulation(target.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	w, err := workloads.Compose(workloads.Composition{Name: s.Name, Parts: parts, Population: population}, target)
	if err != nil {
		t.Fatal(err)
	}
	disturbances, err := workloads.Bind(s.PlanDisturbances(), target)
	if err != nil {
		t.Fatal(err)
	}
	p := workloadstest.Plan(s.Clients, bench.PlanPhase{Duration: time.Second})
	p.Phases, p.Verify = s.PlanPhases(), target.Verify
	return w, p, disturbances
}

// Every built-in scenario does on a real cluster what its plan says, and what it
// was told by the cluster is true.
func TestScenariosRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every scenario for a moment")
	}
	c := workloadstest.StartCluster(t, 3)
	eps := cluster.Endpoints(c)
	conns, members := workloadstest.Dial(t, 6, eps...), workloadstest.Dial(t, 3, eps...)
	small := map[string]map[string]float64{
		"kubernetes":        {"nodes": 30, "podsPerNode": 5},
		"service-discovery": {"services": 5, "instances": 10, "watchers": 20},
		"config-push":       {"watchers": 100, "changes": 20},
		"leader-election":   {"candidates": 20, "offices": 4, "crashes": 0},
	}
	for _, name := range scenario.BuiltIn() {
		params := small[name]
		if strings.HasPrefix(name, "ycsb") {
			params = map[string]float64{"records": 500}
		}
		t.Run(name, func(t *testing.T) {
			s, err := scenario.Find(name, params)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "check-") {
				if err := s.SetParam("key-space-size", "10000"); err != nil {
					t.Fatal(err)
				}
			}
			w, p, disturbances := composed(t, s, workloads.Target{Conns: conns, Members: members, Prefix: "/scenario/" + name + "/", Seed: 1, Verify: true})
			for i := range p.Phases {
				p.Phases[i].Duration = 500 * time.Millisecond
				p.Phases[i].Load.Rate = min(p.Phases[i].Load.Rate, 500)
			}
			run, err := bench.Run(t.Context(), p, w, bench.Options{Disturbances: disturbances})
			if err != nil {
				t.Fatal(err)
			}
			completed := uint64(0)
			for _, o := range run.Operations {
				completed += o.Completed
				if o.Failed+o.Unfinished > 0 {
					t.Errorf("%s: failed %d, unfinished %d: %v", o.Op, o.Failed, o.Unfinished, o.Errors)
				}
			}
			for _, e := range run.Events {
				if e.Error != "" {
					t.Errorf("event %+v", e)
				}
			}
			if completed == 0 || run.Proof.Verdict != results.Proved || len(run.Warnings) > 0 {
				t.Errorf("completed %d, proof %+v, warnings %v", completed, run.Proof, run.Warnings)
			}
		})
	}
}

var kubernetesFor = flag.Duration("kubernetes", 0, "run the kubernetes scenario of 100 nodes for so long, and want it valid")

// What the kubernetes scenario asks of the server is what its file documents,
// within 5 %, by the server's own count.
func TestKubernetesMix(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for ten seconds")
	}
	c := workloadstest.StartCluster(t, 3)
	eps := cluster.Endpoints(c)
	params := map[string]float64{"nodes": 300, "podsPerNode": 5, "podLifetime": 300, "listsPerMinute": 120}
	length := 10 * time.Second
	if *kubernetesFor > 0 {
		params, length = map[string]float64{"nodes": 100}, *kubernetesFor
	}
	s, err := scenario.Find("kubernetes", params)
	if err != nil {
		t.Fatal(err)
	}
	target := workloads.Target{Conns: workloadstest.Dial(t, s.Conns, eps...), Members: workloadstest.Dial(t, 3, eps...), Prefix: "/kubernetes/", Seed: 1, Verify: true}
	w, p, _ := composed(t, s, target)
	p.Phases = p.Phases[1:]
	p.Phases[0].Duration = length
	probe := &workloadstest.Probe{Workload: w, Endpoints: eps}
	run, err := bench.Run(t.Context(), p, probe, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The rates as the scenario's comments document them.
	g := s.Given
	nodes, pods := g["nodes"], g["nodes"]*g["podsPerNode"]
	lists := g["listsPerMinute"] / 60
	documented := map[string]float64{
		"Txn":         nodes/10 + nodes/300 + 6*pods/g["podLifetime"] + 5*pods/g["podLifetime"],
		"Range":       g["resources"]/60 + lists*(math.Floor(pods/g["pageSize"])+1),
		"RangeStream": lists,
	}
	for method, perSecond := range documented {
		got, want := float64(probe.After[method]-probe.Before[method]), perSecond*length.Seconds()
		t.Logf("%s: %.0f by the server, %.1f documented", method, got, want)
		if math.Abs(got-want) > 0.05*want {
			t.Errorf("%s: the server counted %.0f, documented are %.1f", method, got, want)
		}
	}
	for _, method := range []string{"Put", "DeleteRange", "LeaseKeepAlive"} {
		if n := probe.After[method] - probe.Before[method]; n > 0 {
			t.Errorf("%d of %s, which the API server never sends", n, method)
		}
	}
	if n := probe.After["LeaseGrant"] - probe.Before["LeaseGrant"]; n < 1 || float64(n) > 1+length.Minutes()+5*pods/g["podLifetime"]*length.Seconds()/1000 {
		t.Errorf("%d leases for the events", n)
	}
	if run.Proof.Verdict != results.Proved {
		t.Errorf("proof %+v", run.Proof)
	}
	if *kubernetesFor > 0 && run.Validity.Verdict != results.Valid {
		t.Errorf("validity %s: %+v", run.Validity.Verdict, run.Validity.Reasons)
	}
}
