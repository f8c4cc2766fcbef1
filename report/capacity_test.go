package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/browsertest"
	"github.com/etcdbench/etcdbench/results"
)

// A capacity search in every format, and its curve in a browser.
func TestGoldenCapacity(t *testing.T) {
	run := sample(t)
	c := &results.Capacity{
		Schema: results.CapacitySchema, ID: "capacity-1", Started: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Workload: "put", Cluster: run.Cluster, Environment: run.Environment,
		SLO: []string{"put.response_time.p99 < 50ms"}, Low: 8800, High: 9240,
		Probes: []results.CapacityProbe{
			{Number: 1, Stage: results.StageBracket, Rate: 6000, Length: 30 * time.Second, Verdict: results.Sustained, Dir: "probe-001", Achieved: 6000, P50: 2e6, P99: 9e6},
			{Number: 2, Stage: results.StageBracket, Rate: 12000, Length: 30 * time.Second, Verdict: results.Overloaded, Reason: "the backlog grows by 2900 operations each second", Dir: "probe-002", Achieved: 9100, P50: 9e9, P99: 17e9},
			{Number: 3, Stage: results.StageSoak, Rate: 8800, Length: 2 * time.Minute, Verdict: results.Sustained, Dir: "probe-003", Achieved: 8800, P50: 6e6, P99: 41e6, P999: 48e6},
			{Number: 4, Stage: results.StageBeyond, Rate: 9240, Length: 30 * time.Second, Verdict: results.Overloaded, Reason: "<script>alert(1)</script>", Dir: "probe-004", Achieved: 9200, P50: 9e6, P99: 80e6},
		},
	}
	for i := range c.Probes {
		c.Probes[i].Concurrency = float64(i*i+1) * 4
	}
	c.Resources = []results.Resource{{Name: "CPU of the machine", Share: 0.9, Text: "90 % of its CPUs were busy"}, {Name: "fsync of the log", Member: "m1", Share: 0.6, Text: "60 % of the time in it"}}
	c.MemberDown = &results.CapacityRange{Low: 6000, High: 7000}
	c.Fit = &results.USL{Lambda: results.Estimate{Value: 600, Low: 500, High: 700}, Sigma: results.Estimate{Value: 0.05}, Kappa: results.Estimate{Value: 1e-4}, Reach: 48, Points: []results.USLPoint{{Concurrency: 12, Throughput: 6000}, {Concurrency: 40, Throughput: 8800}}}
	c.Warnings = []results.Warning{{Code: results.WarnOthers, Message: "others use the cluster"}}
	c.NewPlan(4000, 0.7, 0.05)
	c.JudgeTarget(10_000, 1)
	for _, f := range Capacities() {
		var b bytes.Buffer
		if err := f.Write(&b, c); err != nil {
			t.Fatal(err)
		}
		golden(t, "capacity."+f.Name, []byte(body(b.String())))
		if f.Name != "html" {
			continue
		}
		page := browsertest.Open(t, b.String())
		chart := shownCharts(t, page)[0]
		if len(chart.Rows) != 4 || chart.Rows[2][0] != "9,240/s" || chart.Rows[1][2] != "41.0 ms" {
			t.Errorf("rows %q", chart.Rows)
		}
		page.Screenshot("capacity")
		calm(t, page)
	}
	if c.Target.Verdict != results.TargetMissed {
		t.Errorf("target %+v", c.Target)
	}
	if _, err := Capacities().Find("pdf"); err == nil {
		t.Error("a capacity as pdf")
	}
}
