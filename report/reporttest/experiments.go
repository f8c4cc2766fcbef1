package reporttest

import (
	"fmt"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// CapacitySearch returns a search that found a capacity, with a fit and a plan.
func CapacitySearch(t testing.TB) *results.Capacity {
	run := Sample(t)
	c := &results.Capacity{
		Schema: results.CapacitySchema, ID: "capacity-1", Started: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Workload: "put",
		Cluster: run.Cluster, Environment: run.Environment,
		SLO: []string{"put.response_time.p99 < 50ms"}, Low: 8800, High: 9240,
		Probes: []results.CapacityProbe{
			{Number: 1, Stage: results.StageBracket, Rate: 6000, Length: 30 * time.Second, Verdict: results.Sustained, Dir: "probe-001",
				Achieved: 6000, P50: 2e6, P99: 9e6},
			{Number: 2, Stage: results.StageBracket, Rate: 12000, Length: 30 * time.Second, Verdict: results.Overloaded,
				Reason: "the backlog grows by 2900 operations each second", Dir: "probe-002", Achieved: 9100, P50: 9e9, P99: 17e9},
			{Number: 3, Stage: results.StageSoak, Rate: 8800, Length: 2 * time.Minute, Verdict: results.Sustained, Dir: "probe-003",
				Achieved: 8800, P50: 6e6, P99: 41e6, P999: 48e6},
			{Number: 4, Stage: results.StageBeyond, Rate: 9240, Length: 30 * time.Second, Verdict: results.Overloaded,
				Reason: "<script>alert(1)</script>", Dir: "probe-004", Achieved: 9200, P50: 9e6, P99: 80e6},
		},
	}
	for i := range c.Probes {
		c.Probes[i].Concurrency = float64(i*i+1) * 4
	}
	c.Probes[0].SendLag, c.Probes[1].SendLag, c.Probes[2].SendLag = 90_000, 400_000, 12e6
	c.Probes[0].Validity, c.Probes[2].Validity = results.Valid, results.Degraded
	c.Probes[2].Reasons = []results.Reason{{Code: "send-lag", Severity: results.Degraded, Message: "requests left the generator late"},
		{Code: "scheduler-delay", Severity: results.Degraded}}
	c.Probes = append(c.Probes, results.CapacityProbe{
		Number: 5, Stage: results.StageSweep, Rate: 9680, Length: 30 * time.Second, Verdict: results.Sustained, Dir: "probe-005",
		Achieved: 9680, P50: 8e6, P99: 49e6, SendLag: 100_000, Validity: results.Valid, Concurrency: 80,
	})
	c.Resources = []results.Resource{{Name: "CPU of the machine", Share: 0.9, Text: "90 % of its CPUs were busy"},
		{Name: "fsync of the log", Member: "m1", Share: 0.6, Text: "busy 60 % of the time"}}
	c.MemberDown = &results.CapacityRange{Low: 6000, High: 7000}
	c.Fit = &results.USL{Lambda: results.Estimate{Value: 600, Low: 500, High: 700}, Sigma: results.Estimate{Value: 0.05, Low: 0.01,
		High: 0.09}, Kappa: results.Estimate{Value: 1e-4, High: 2e-3}, Reach: 48, Points: []results.USLPoint{{Concurrency: 12,
		Throughput: 6000}, {Concurrency: 40, Throughput: 8800}}}
	c.Warnings = []results.Warning{{Code: results.WarnOthers, Message: "others use the cluster"}}
	judge.Contradictions(c, "/s")
	c.Plan = judge.NewPlan(c, 4000, 0.7, 0.05)
	c.Target = judge.CapacityTarget(c, 10_000, 1)
	return c
}

// PastRuns returns six runs of one plan: the last three with another etcd, and the
// last of them on another machine.
func PastRuns(t testing.TB) []results.HistoryRun {
	var runs []results.HistoryRun
	for n := range 6 {
		r := Sample(t)
		r.Started = time.Date(2026, 11, 1+n, 10, 0, 0, 0, time.UTC)
		r.Target.Achieved, r.Target.Verdict = float64(9000+n*500), results.TargetMet
		r.Cluster.Version = "3.6.14"
		if n >= 3 {
			r.Cluster.Version = "3.7.3"
		}
		if n == 5 {
			r.Environment.CPUs = 64
		}
		runs = append(runs, results.HistoryRun{Path: fmt.Sprint("results/run", n+1), Run: r, Values: r.Figures()})
	}
	return runs
}

// LevelChange returns a change of level in PastRuns.
func LevelChange(runs []results.HistoryRun) results.SeriesChange {
	return results.SeriesChange{Series: runs[0].Series(), Metric: "allocs", Unit: "objects", Run: "r4", Started: runs[3].Started,
		Label: "etcd 3.7.3", Before: 200, After: 220, Change: 0.1, P: 1e-9, Alert: true, Best: 200, Now: 220, Worse: 0.1}
}

// tried is a pair as a tuning has it.
func tried(heartbeat, election time.Duration, p99 float64, failover time.Duration) results.Tried {
	return results.Tried{
		Name: heartbeat.String() + "/" + election.String(), Heartbeat: heartbeat, Election: election,
		Default: election == time.Second && heartbeat == 100*time.Millisecond,
		Settings: []results.Setting{{Name: "heartbeat-interval", Value: heartbeat.String()}, {Name: "election-timeout",
			Value: election.String()}},
		Runs: []string{"try-001"}, P50: p99 / 3, P99: p99, Steady: 30 * time.Second, ElectionsPerHour: 359,
		Failover: float64(failover), FailoverP99: 2 * float64(failover),
		Figures: map[string]float64{"cpu": 1.5e6, "idle_cpu": 0.03, "idle_peer_bytes": 3000},
		Faults: []results.FaultTimes{
			{
				Fault: results.FaultKillLeader, Outages: []time.Duration{failover, 2 * failover}, P50: failover, P99: 2 * failover,
				Trace: outageTrace(failover),
			},
			{Fault: results.FaultKillFollower, Outages: []time.Duration{0}},
		},
	}
}

// outageTrace is the throughput around a fault at 200 operations/s: nothing is acknowledged for
// the length of the outage, then what has waited.
func outageTrace(length time.Duration) (trace []float64) {
	waiting := 0.0
	for i := range results.TraceSteps {
		at := time.Duration(i)*results.TraceStep - results.TraceBefore
		if waiting += 20; at >= 0 && at < length {
			trace = append(trace, 0)
			continue
		}
		trace, waiting = append(trace, waiting), 0
	}
	return trace
}

// PairTuning returns a tuning of heartbeat interval and election timeout.
func PairTuning(t testing.TB) *results.Tuning {
	run := Sample(t)
	ms := time.Millisecond
	tuning := &results.Tuning{
		Schema: results.TuningSchema, ID: "tune-1", Started: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Workload: "put", Rate: 200,
		Cluster: run.Cluster, Environment: run.Environment,
		Dimension: results.DimensionPair, RTT: 50 * ms, Failover: true,
		Tried: []results.Tried{
			tried(100*ms, time.Second, 110e6, 1300*ms), tried(50*ms, 500*ms, 108e6, 700*ms), tried(50*ms, 250*ms, 109e6, 400*ms),
			tried(25*ms, 500*ms, 180e6, 650*ms),
			{Name: "25ms/125ms", Heartbeat: 25 * ms, Election: 125 * ms, Finding: "no leader could be elected in 15s: <script>alert(1)</script>"},
		},
	}
	tuning.Tried[2].Elections = 4
	judge.Tuning(tuning)
	bound := func(v float64) *float64 { return &v }
	tuning.Compared = &results.TuningComparison{Candidate: tuning.Recommended, Confidence: 0.95, Rounds: 6, Metrics: []results.MetricVerdict{
		{Name: "p99", Unit: "ns", Primary: true, Verdict: results.Pass, Baseline: 110e6, Candidate: 108e6, Estimate: -0.02,
			Lower: bound(-0.1), Upper: bound(0.08)},
		{Name: "failover", Unit: "ns", Primary: true, Verdict: results.Pass, Baseline: 1.3e9, Candidate: 7e8, Estimate: -0.46,
			Lower: bound(-0.6), Upper: bound(-0.3)},
	}}
	judge.TuningComparison(tuning.Compared, true)
	judge.Confirm(tuning)
	return tuning
}

// Published returns a comparison with published figures.
func Published() *results.Published {
	started := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	return &results.Published{
		Schema: results.PublishedSchema, Started: started, Ended: started.Add(time.Minute), Source: "https://etcd.io/docs/", Short: true,
		Conditions: []string{"3 machines of 8 vCPUs", "<script>alert(1)</script>"},
		Cluster:    results.Cluster{Kind: "process", Version: "3.7.3", Members: make([]results.Member, 3)},
		Rows: []results.PublishedRow{
			{Name: "puts to the leader, 1 client", Clients: 1, Conns: 1, Operations: 1000, PublishedRate: 583,
				PublishedMean: 1600 * time.Microsecond, Rate: 761, Mean: 1290 * time.Microsecond, P99: 5 * time.Millisecond,
				Validity: results.Valid, Dir: "row-1"},
			{Name: "puts to all members, 1,000 clients", Clients: 1000, Conns: 100, Operations: 10_000, PublishedRate: 50_104,
				PublishedMean: 20 * time.Millisecond, Rate: 6415, Mean: 162 * time.Millisecond, AtLeast: true, ErrorRate: 0.02,
				Validity: results.Degraded, Reason: "<script>alert(1)</script>", Dir: "row-2"},
		},
	}
}

// GateVerdicts returns a verdict of each kind of gate, by the kind.
func GateVerdicts() map[string]*results.Verdict {
	started := gateStarted()
	rules := judge.DefaultRules()
	return map[string]*results.Verdict{
		"ab":      abVerdict(&rules),
		"qualify": qualifyVerdict(&rules),
		"aa": {
			Schema: results.VerdictSchema, Gate: "aa", Verdict: results.Pass, Reason: "no primary metric is worse by its margin or more",
			Started: started, Ended: started,
			Baseline: "etcd=v3.6.14", Workload: "put", Planned: 12, Rounds: 12, Rules: (*results.GateRules)(&rules),
			Metrics: []results.MetricVerdict{{Name: "allocs", Unit: "objects", Primary: true, Verdict: results.Pass, Rounds: 12,
				Baseline: 350, Candidate: 350, Lower: bound(-0.01), Upper: bound(0.01), Margin: 0.02, Detectable: 0.02, Noise: 0.004,
				Needed: []results.NeededRounds{{Effect: 0.03, Rounds: 14}, {Effect: 0.2, Rounds: 12}, {Effect: 0.001}}}},
		},
		"thresholds": {
			Schema: results.VerdictSchema, Gate: "thresholds", Verdict: results.Fail,
			Reason: "threshold not met: put.response_time.p99 < 20ms", Candidate: "20261120-101500-a1b2c3", Workload: "target-10k",
			Started: started, Ended: started,
			Checks: []results.ThresholdCheck{
				{Text: "put.response_time.p99 < 20ms for every 10s window", Verdict: results.Fail, Value: 3e7, IsTime: true, Limit: 2e7,
					Windows: 6, Failed: 2, At: 20 * time.Second},
				{Text: "put.throughput >= 9990/s", Verdict: results.Pass, Value: 10_000, Limit: 9990},
				{Text: "put.response_time.p99.99 < 1s", Verdict: results.Inconclusive, Value: 5e9, AtLeast: true, IsTime: true,
					Reason: "operations did not finish: the measured value is a lower bound"},
			},
		},
		"history": {
			Schema: results.VerdictSchema, Gate: "history", Verdict: results.Fail, Reason: "worse by the margin or more: allocs since r18",
			Workload: "results", Started: started, Ended: started,
			Changes: []results.SeriesChange{
				{Series: "a", Metric: "throughput", Unit: "/s", Run: "r9", Started: started, Label: "rev9", Before: 9000, After: 9900,
					Change: -0.09, P: 1e-5},
				{Series: "b", Metric: "error_rate", Unit: "share", Run: "r20", Started: started, Label: "rev20", Before: 0, After: 0.04,
					Change: 0.04, P: 1e-5, Alert: true, Now: 0.04, Worse: 0.04},
				{Series: "b", Metric: "allocs", Unit: "objects", Run: "r18", Started: started, Label: "rev18", Before: 200, After: 210,
					Change: 0.05, P: 1e-6, Alert: true, Best: 195, Now: 210, Worse: 0.077},
			},
		},
	}
}

func gateStarted() time.Time { return time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC) }

func bound(v float64) *float64 { return &v }

// abVerdict is the verdict of a comparison of two sides.
func abVerdict(rules *judge.Rules) *results.Verdict {
	started := gateStarted()
	return &results.Verdict{
		Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Fail, Reason: "worse by more than the margin: cpu", Started: started,
		Ended:    started.Add(4 * time.Minute),
		Baseline: "the built-in etcd with its defaults", Candidate: "env:GOGC=20", Workload: "put", Machine: "2 CPUs", Planned: 12,
		Rounds: 12, Rules: (*results.GateRules)(rules),
		Dropped: []results.DroppedRound{{Round: 3, Reason: "the leader changed"}},
		Order:   []string{"baseline", "candidate"}, Proofs: map[string]int{"proved": 25, "violated": 1},
		Violations: []results.RunViolation{{Round: 2, Side: "candidate", Found: 3,
			First: "last-write: <script>alert(1)</script>: expected a, found b"}},
		Disturbances: []results.RunEvent{
			{Round: 1, Side: "baseline", Outage: 1240 * time.Millisecond, Event: results.Event{
				Kind: "kill", Start: 3 * time.Second, Length: 2100 * time.Millisecond, Detail: "m1: for 2s, all ready 100ms later"}},
			{Round: 1, Side: "candidate", Event: results.Event{
				Kind: "kill", Start: 3 * time.Second, Length: 2050 * time.Millisecond, Detail: "m2: for 2s", Error: "<script>alert(1)</script>"}},
		},
		Metrics: []results.MetricVerdict{
			{Name: "cpu", Unit: "ns", Primary: true, Verdict: results.Fail, Rounds: 12, Baseline: 144_000, Candidate: 195_000,
				Estimate: 0.36, Lower: bound(0.17), Upper: bound(0.47), Margin: 0.05, Detectable: 0.234},
			{Name: "allocs", Unit: "objects", Primary: true, Verdict: results.Pass, Note: "worse, but by less than the margin", Rounds: 12,
				Baseline: 350, Candidate: 352, Estimate: 0.006, Lower: bound(0.001), Upper: bound(0.011), Margin: 0.02, Detectable: 0.021},
			{Name: "p99", Unit: "ns", Primary: true, Verdict: results.Inconclusive, Rounds: 12, Baseline: 3e7, Candidate: 3.1e7,
				Estimate: 0.03, Upper: bound(0.2), Margin: 0.10},
			{Name: "throughput", Unit: "/s", Higher: true, Primary: true, Verdict: results.Fail, Rounds: 12, Baseline: 9000,
				Candidate: 6583, Estimate: 0.367, Lower: bound(0.25), Upper: bound(0.5), Margin: 0.05, Detectable: 0.08},
			{Name: "error_rate", Unit: "share", Absolute: true, Primary: true, Verdict: results.Fail, Rounds: 12, Operations: 60_000,
				Candidate: 0.04, Estimate: 0.04, Lower: bound(0.035), Upper: bound(0.045), Margin: 0.001, Detectable: 0.0012},
			{Name: "fsyncs", Primary: true, Verdict: results.NotMeasured},
			{Name: "network_bytes", Verdict: results.NotMeasured, Note: "left out: no run of either side measured it"},
			{Name: "wal_bytes", Unit: "bytes", Verdict: results.Pass, Rounds: 12, Baseline: 1100, Candidate: 1100, Lower: bound(-0.01),
				Upper: bound(0.01), Margin: 0.02, Detectable: 0.02},
		},
		Warnings: []results.Warning{{Code: "same-sides", Message: "<script>alert(1)</script>"}},
	}
}

// qualifyVerdict is the verdict of a release check.
func qualifyVerdict(rules *judge.Rules) *results.Verdict {
	started := gateStarted()
	return &results.Verdict{
		Schema: results.VerdictSchema, Gate: "qualify", Verdict: results.Fail, Reason: "1 of 3 scenarios failed: saturate",
		Started: started, Ended: started.Add(time.Hour),
		Baseline: "etcd=v3.6.14", Candidate: "etcd=v3.7.3", Workload: "3 scenarios", Machine: "2 CPUs", Rules: (*results.GateRules)(rules),
		Parts: []results.Verdict{
			{Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Pass, Reason: "no primary metric is worse by its margin or more",
				Started: started, Ended: started.Add(20 * time.Minute), Workload: "kubernetes", Baseline: "etcd=v3.6.14", Candidate: "etcd=v3.7.3",
				Planned: 16, Rounds: 16,
				Metrics: []results.MetricVerdict{{Name: "cpu", Unit: "ns", Primary: true, Verdict: results.Pass, Rounds: 16, Baseline: 144_000,
					Candidate: 144_000, Lower: bound(-0.01), Upper: bound(0.01), Margin: 0.05}}},
			{Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Fail, Reason: "worse by more than the margin: throughput",
				Started: started.Add(20 * time.Minute), Ended: started.Add(40 * time.Minute), Workload: "saturate", Baseline: "etcd=v3.6.14",
				Candidate: "etcd=v3.7.3", Planned: 16, Rounds: 16,
				Dropped: []results.DroppedRound{{Round: 3, Reason: "the leader changed"}}, Proofs: map[string]int{"proved": 31, "violated": 1},
				Violations: []results.RunViolation{{Round: 2, Side: "candidate", Found: 3, First: "<script>alert(1)</script>"}},
				Metrics: []results.MetricVerdict{{Name: "throughput", Unit: "/s", Higher: true, Primary: true, Verdict: results.Fail,
					Rounds: 16, Baseline: 9000, Candidate: 6583, Estimate: 0.367, Lower: bound(0.25), Upper: bound(0.5), Margin: 0.05, Detectable: 0.08}}},
			{Schema: results.VerdictSchema, Gate: "ab", Verdict: results.Inconclusive, Reason: "not measured: <script>alert(1)</script>",
				Workload: "check-xl", Baseline: "etcd=v3.6.14", Candidate: "etcd=v3.7.3", Planned: 16},
		},
	}
}
