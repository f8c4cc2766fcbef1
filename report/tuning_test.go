package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/results"
)

// tried is a pair as a tuning has it.
func tried(heartbeat, election time.Duration, p99 float64, failover time.Duration) results.Tried {
	return results.Tried{
		Name: heartbeat.String() + "/" + election.String(), Heartbeat: heartbeat, Election: election, Default: election == time.Second && heartbeat == 100*time.Millisecond,
		Settings: []results.Setting{{Name: "heartbeat-interval", Value: heartbeat.String()}, {Name: "election-timeout", Value: election.String()}},
		Runs:     []string{"try-001"}, P50: p99 / 3, P99: p99, Steady: 30 * time.Second, ElectionsPerHour: 359, Failover: float64(failover), FailoverP99: 2 * float64(failover),
		Figures: map[string]float64{"cpu": 1.5e6, "idle_cpu": 0.03, "idle_peer_bytes": 3000},
		Faults: []results.FaultTimes{
			{Fault: results.FaultKillLeader, Outages: []time.Duration{failover, 2 * failover}, P50: failover, P99: 2 * failover},
			{Fault: results.FaultKillFollower, Outages: []time.Duration{0}},
		},
	}
}

// A tuning in every format, and its heat maps in a browser.
func TestGoldenTuning(t *testing.T) {
	run := sample(t)
	ms := time.Millisecond
	tuning := &results.Tuning{
		Schema: results.TuningSchema, ID: "tune-1", Started: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Workload: "put", Rate: 200, Cluster: run.Cluster, Environment: run.Environment,
		Dimension: results.DimensionPair, RTT: 50 * ms, Failover: true,
		Tried: []results.Tried{
			tried(100*ms, time.Second, 110e6, 1300*ms), tried(50*ms, 500*ms, 108e6, 700*ms), tried(50*ms, 250*ms, 109e6, 400*ms), tried(25*ms, 500*ms, 180e6, 650*ms),
			{Name: "25ms/125ms", Heartbeat: 25 * ms, Election: 125 * ms, Finding: "no leader could be elected in 15s: <script>alert(1)</script>"},
		},
	}
	tuning.Tried[2].Elections = 4
	tuning.Judge()
	tuning.Compared = &results.TuningComparison{Rounds: 6, Metrics: []results.MetricVerdict{
		{Name: "p99", Unit: "ns", Primary: true, Verdict: results.Pass, Baseline: 110e6, Candidate: 108e6, Estimate: -0.02}, {Name: "failover", Unit: "ns", Primary: true, Verdict: results.Pass, Baseline: 1.3e9, Candidate: 7e8, Estimate: -0.46},
	}}
	tuning.Compared.Judge(true)
	if tuning.Recommended != "50ms/500ms" || !strings.Contains(tuning.Compared.Text, "failover better (-46 %)") {
		t.Errorf("recommended %s: %q; %s", tuning.Recommended, tuning.Reasons, tuning.Compared.Text)
	}
	for _, f := range Tunings() {
		var b bytes.Buffer
		if err := f.Write(&b, tuning); err != nil {
			t.Fatal(err)
		}
		golden(t, "tuning."+f.Name, []byte(body(b.String())))
		if f.Name != "html" {
			continue
		}
		page := browsertest.Open(t, b.String())
		charts := shownCharts(t, page)
		if len(charts) != 3 || len(charts[2].Rows) != 5 || charts[2].Rows[1][0] != "50ms/500ms" || charts[2].Rows[1][1] != "700 ms–1.40 s" || charts[2].Rows[4][1] != "✕" {
			t.Errorf("charts %+v", charts)
		}
		page.Screenshot("tuning")
		page.Width(400)
		if width := browsertest.Eval[float64](page, `document.documentElement.scrollWidth`); width > 400 {
			t.Errorf("on a screen of 400 pixels, the page is %v wide", width)
		}
		calm(t, page)
	}
}
