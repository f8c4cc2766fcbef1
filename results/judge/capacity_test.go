package judge

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

func TestPlan(t *testing.T) {
	c := &results.Capacity{Low: 10_000, High: 10_500, MemberDown: &results.CapacityRange{Low: 5000, High: 6250}}
	c.Plan = NewPlan(c, 4000, 0.7, 0.05)
	// ln(7000/4000)/ln(1.05) = 11.47
	if p := c.Plan; p.SafeRate != 7000 || math.Abs(p.Headroom-0.75) > 1e-9 || math.Abs(p.Months-11.47) > 0.01 || p.DownSafeRate != 3500 || math.Abs(p.DownHeadroom+0.125) > 1e-9 {
		t.Errorf("%+v", p)
	}
	c.MemberDown = nil
	c.Plan = NewPlan(c, 4000, 0.7, 0)
	if p := c.Plan; !p.Endless || p.Months != 0 || p.DownSafeRate != 0 {
		t.Errorf("%+v", p)
	}
	c.Plan = NewPlan(c, 8000, 0.7, 0.05)
	if p := c.Plan; p.Endless || p.Months != 0 || p.Headroom >= 0 {
		t.Errorf("%+v", p)
	}
}

// Of searches whose capacities scatter, and which end in steps of one grid, the interval
// holds the truth 19 times in 20: with a scatter below the step and above it. Equal answers
// give no interval of zero width.
func TestJoinedCapacities(t *testing.T) {
	for _, scatter := range []float64{0.001, 0.01, 0.05} {
		held := 0
		for seed := range uint64(1000) {
			r := rand.New(rand.NewPCG(seed, 1))
			step, at := math.Log(1.05), r.Float64()
			var list []*results.Capacity
			for range 5 {
				truth := math.Log(5000) + scatter*r.NormFloat64()
				low := (math.Floor(truth/step-at) + at) * step
				list = append(list, &results.Capacity{Low: math.Exp(low), High: math.Exp(low + step)})
			}
			c := JoinCapacities(list)
			if c.Confidence != 0.95 || len(c.Repeats) != 5 {
				t.Fatalf("%+v", c)
			}
			if c.Low <= 5000 && 5000 <= c.High {
				held++
			}
		}
		if held < 930 {
			t.Errorf("scatter %v: %d of 1,000 intervals hold the truth", scatter, held)
		}
	}
	same := &results.Capacity{Low: 5000, High: 5250}
	if c := JoinCapacities([]*results.Capacity{same, same, same}); math.Abs(c.Low-5000) > 1e-6 || math.Abs(c.High-5250) > 1e-6 {
		t.Errorf("of equal answers: %v to %v", c.Low, c.High)
	}
	c := JoinCapacities([]*results.Capacity{{Low: 5000, High: 5100}, {Low: 4000, Stopped: "the generator"}})
	if c.Low != 4000 || c.High != 0 || c.Confidence != 0 || c.Stopped != "the generator" {
		t.Errorf("%+v", c)
	}
}

func TestResources(t *testing.T) {
	run := &results.Run{
		Environment: results.Environment{CPUs: 4}, Cluster: results.Cluster{Kind: results.ClusterProcess},
		Phases:   []results.Phase{{Name: "populate", Length: time.Hour}, {Name: "warmup", Length: 2 * time.Second}, {Name: "measure", Length: 8 * time.Second}},
		Validity: results.Validity{Generator: results.Generator{CPU: 0.2, Machine: 0.6}},
		Server: &results.Server{Members: []results.ServerMember{
			{Member: "m1", Growth: map[string]float64{"fsync_time": 9, "commit_time": 1, "cpu": 10, "peer_sent": 10 << 20}, Last: map[string]float64{"db_size": 1 << 30, "quota": 8 << 30}},
			{Member: "m2", Growth: map[string]float64{"fsync_time": 5, "commit_time": 2, "cpu": 8}, Last: map[string]float64{"db_size": 1 << 30, "quota": 8 << 30}},
		}},
	}
	var got []string
	for _, r := range Resources(run) {
		got = append(got, r.Name+" "+r.Member)
	}
	want := "fsync of the log m1, CPU of the machine , CPU of a member m1, CPU of the generator , commit of the database m2, database m1, network m1"
	if strings.Join(got, ", ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), want)
	}
	if text := Resources(run)[0].Text; !strings.Contains(text, "90 % of the time") {
		t.Errorf("fsync: %s", text)
	}
}

// A disk that is slow by itself is no reason to call a target missed.
func TestTargetOnASlowDisk(t *testing.T) {
	for p99, want := range map[time.Duration]string{2 * time.Millisecond: results.TargetMissed, 30 * time.Millisecond: results.TargetUndecided} {
		c := &results.Capacity{Low: 400, High: 420, Environment: results.Environment{Disk: &results.Disk{SyncP99: p99}}}
		c.Target = CapacityTarget(c, 10_000, 1)
		if c.Target.Verdict != want {
			t.Errorf("with an fdatasync p99 of %v: %+v", p99, c.Target)
		}
	}
}
