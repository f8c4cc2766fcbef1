package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A leader that is away for less than what counts as late leaves no trace: its failover
// is not detectable, which is neither zero nor fast.
func TestFailoverThatIsNotDetectable(t *testing.T) {
	// Response times as slow as that: the pause of a second hides in them.
	hidden := outage{rate: 200, at: 7 * time.Second, length: time.Second, service: 800 * time.Millisecond, seed: 1}
	seen := outage{rate: 200, at: 7 * time.Second, length: 1300 * time.Millisecond, service: 20 * time.Millisecond, seed: 1}
	try := func(name string, o outage) results.Tried {
		run := o.run()
		run.Plan.Phases[0].Name, run.Phases[0].Name = results.PhaseSteady, results.PhaseSteady
		run.Operations = []results.Operation{{Phase: results.PhaseSteady, Op: "put", Offered: 2000, Completed: 2000, ResponseTime: latency(t, times(2000, int64(o.service))...)}}
		var err error
		if run.Resilience, err = NewResilience(run, o.intervals()); err != nil {
			t.Fatal(err)
		}
		x := results.Tried{Name: name}
		AddRuns(&x, run)
		return x
	}
	a, b := try("hidden", hidden), try("seen", seen)
	if a.Failover != 0 || a.FailoverBelow < 1e9 || a.Faults[0].Undetected != 1 || a.Faults[0].Below < time.Second {
		t.Errorf("an outage of 1 s among response times of up to 1.2 s: failover %v, below %v, %+v", a.Failover, a.FailoverBelow, a.Faults)
	}
	if b.Failover == 0 || b.FailoverBelow != 0 || b.Faults[0].Undetected != 0 {
		t.Errorf("an outage of 1.3 s among response times of 30 ms: failover %v, below %v, %+v", b.Failover, b.FailoverBelow, b.Faults)
	}
	// With equal p99s, only failover decides.
	a.P99, b.P99 = 1e8, 1e8
	for _, c := range []struct {
		base, other results.Tried
		want        string
	}{{a, b, "not detectable"}, {b, a, "the defaults are best"}} {
		c.base.Default = true
		document := &results.Tuning{Failover: true, Tried: []results.Tried{c.base, c.other}}
		Tuning(document)
		if reasons := strings.Join(document.Reasons, "; "); document.Recommended != c.base.Name || !strings.Contains(reasons, c.want) {
			t.Errorf("recommended %s: %s; want %s: %s", document.Recommended, reasons, c.base.Name, c.want)
		}
	}
}

// A p99 that is worse than the defaults' is not recommended, also where something else
// was found against the defaults.
func TestWorseThanDefaultsThatDidNotKeepSteady(t *testing.T) {
	base := results.Tried{Name: "base", Default: true, P99: 190e6, Failover: 1.4e9, Runs: []string{"try-001"}, Finding: "cut-leader: ended early: the end of the load"}
	slow := results.Tried{Name: "slow", P99: 1304e6, Failover: 0.6e9, Runs: []string{"try-002"}}
	document := &results.Tuning{Failover: true, Tried: []results.Tried{base, slow}}
	if Tuning(document); document.Recommended != "" {
		t.Errorf("recommended %s: %q", document.Recommended, document.Reasons)
	}
	document.Tried[1].P99 = 200e6
	if Tuning(document); document.Recommended != "slow" {
		t.Errorf("recommended %q: %q", document.Recommended, document.Reasons)
	}
}

func times(n int, longest int64) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = longest/2 + longest*int64(i)/int64(n)
	}
	return list
}

// A word says what is true of all that its interval leaves possible.
func TestWordsOfAComparison(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		metric       string
		estimate     float64
		lower, upper *float64
		confidence   float64
		want         string
	}{
		{"p99", 0.38, at(0.21), at(0.55), 0.95, wordWorse},
		{"p99", 0.38, at(-0.04), at(0.9), 0.95, wordInconclusive},
		{"p99", 0.38, at(0.21), nil, 0.95, wordWorse},
		{"p99", 0.38, at(0.21), at(0.55), 0.5, wordInconclusive},
		{"p99", 0.1, at(0.02), at(0.2), 0.95, wordAsGood},
		{"p99", 0.02, at(-0.2), at(0.3), 0.95, wordInconclusive},
		{"p99", -0.4, nil, at(-0.1), 0.95, wordBetter},
		{"failover", -0.5, at(-0.6), at(-0.4), 0.95, wordBetter},
		{"failover", -0.05, at(-0.09), at(0.04), 0.95, wordAsGood},
		{"failover", -0.5, at(-0.8), at(0.1), 0.95, wordInconclusive},
		{"failover", -0.5, nil, nil, 0.95, wordInconclusive},
	} {
		m := results.MetricVerdict{Name: c.metric, Primary: true, Estimate: c.estimate, Lower: c.lower, Upper: c.upper}
		if got := comparisonWord(m, c.confidence); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
