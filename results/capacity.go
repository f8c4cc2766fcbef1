package results

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// CapacitySchema names the version of a capacity search's document.
const CapacitySchema = "etcdbench.capacity/v1"

// Capacity is the highest rate that a cluster carries under an SLO, as an interval.
type Capacity struct {
	Schema  string    `json:"schema"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Workload, Cluster and Environment are those of the probes.
	Workload    string      `json:"workload"`
	Cluster     Cluster     `json:"cluster"`
	Environment Environment `json:"environment"`
	SLO         []string    `json:"slo"`
	// Low is the highest rate that was sustained, also over the soak, in arrivals per
	// second; High the lowest above it that was not. 0 where there is none.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Failed is the lowest rate above Low that could not be shown to be carried, which
	// says less than High: 0 where there is none below it.
	Failed float64 `json:"failed,omitempty"`
	// Stopped says why there is no bound, such as the generator's limit.
	Stopped string `json:"stopped,omitempty"`
	// Machine says that the machine, which the cluster shares with the generator, was
	// at its limit beyond the maximum.
	Machine string `json:"machine_limit,omitempty"`
	// Most is the end of what could be asked for, where that was carried.
	Most float64 `json:"most,omitempty"`
	// Target compares the interval with what was asked.
	Target Target `json:"target"`
	// Over names the scenario's parameter that was searched over instead of the rate:
	// then all rates here are its values.
	Over string `json:"over,omitempty"`
	// Repeats are the intervals of several searches, of which Low and High are the
	// ends of a confidence interval, with that Confidence.
	Repeats    []CapacityRange `json:"repeats,omitempty"`
	Confidence float64         `json:"confidence,omitempty"`
	// MemberDown is the maximum while a follower is killed, where that was looked for.
	MemberDown *CapacityRange `json:"member_down,omitempty"`
	// Resources are how near to its limit each was at the maximum, nearest first.
	Resources []Resource `json:"resources,omitempty"`
	// Fit describes throughput by concurrency.
	Fit  *USL          `json:"usl,omitempty"`
	Plan *CapacityPlan `json:"plan,omitempty"`
	// Warnings are what the reader should know.
	Warnings []Warning `json:"warnings,omitempty"`
	// Probes are in the order in which they were made.
	Probes []CapacityProbe `json:"probes"`
}

// CapacityRange is the highest rate that was carried, and the lowest above it that
// was not; 0 where there is none.
type CapacityRange struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// The stages of a search.
const (
	StageBracket = "bracket"
	StageBisect  = "bisect"
	StageSoak    = "soak"
	StageBeyond  = "beyond"
	StageSweep   = "sweep"
	StageDown    = "member down"
)

// CapacityProbe is one run at one rate.
type CapacityProbe struct {
	Number  int           `json:"n"`
	Stage   string        `json:"stage"`
	Rate    float64       `json:"rate"`
	Length  time.Duration `json:"length_ns"`
	Verdict string        `json:"verdict"`
	Reason  string        `json:"reason,omitempty"`
	// Dir is the run's directory, relative to the search's.
	Dir string `json:"dir"`
	// Achieved is in completed operations per second; the times are nanoseconds, 0
	// where they are not resolved.
	Achieved float64 `json:"achieved"`
	// Concurrency is the mean number of operations under way: throughput times mean
	// response time (Little's law).
	Concurrency float64 `json:"concurrency,omitempty"`
	P50         int64   `json:"p50_ns,omitempty"`
	P99         int64   `json:"p99_ns,omitempty"`
	P999        int64   `json:"p99.9_ns,omitempty"`
	// DBSize is the largest database's when the probe ended.
	DBSize int64 `json:"db_size_bytes,omitempty"`
	// Revision is the highest that a member told when the probe ended.
	Revision int64 `json:"revision,omitempty"`
}

// NewCapacityProbe takes from a run what a search keeps of it.
func NewCapacityProbe(number int, stage string, rate float64, length time.Duration, run *Run) CapacityProbe {
	f := run.Figures()
	p := CapacityProbe{
		Number: number, Stage: stage, Rate: rate, Length: length,
		Achieved: f["throughput"], P50: int64(f["p50"]), P99: int64(f["p99"]), P999: int64(f["p99.9"]),
	}
	p.Concurrency = run.concurrency()
	if run.Server != nil {
		for _, m := range run.Server.Members {
			p.DBSize = max(p.DBSize, int64(m.Last["db_size"]))
			p.Revision = max(p.Revision, int64(m.Last["revision"]))
		}
	}
	return p
}

// JudgeTarget says whether the interval reaches a number of writes per second:
// met when all of it does, missed when none of it does, undecided otherwise, and
// where the generator or a machine that both share was the limit.
func (c *Capacity) JudgeTarget(writes, writesPerOperation float64) {
	t := Target{Writes: writes, Achieved: c.Low * writesPerOperation, Verdict: TargetUndecided}
	switch {
	case writesPerOperation == 0:
		t.Verdict = TargetNone
	case t.Achieved >= writes:
		t.Verdict = TargetMet
	case c.Stopped != "":
		t.Reason = c.Stopped
	case c.High*writesPerOperation < writes && c.Machine != "":
		t.Reason = c.Machine
	case c.High*writesPerOperation < writes && c.slowDisk() != "":
		t.Reason = c.slowDisk()
	case c.High*writesPerOperation < writes:
		t.Verdict = TargetMissed
	default:
		t.Reason = "the target lies within the interval"
	}
	c.Target = t
}

// slowSync is the p99 of an fsync above which etcd's guide calls a disk too slow.
const slowSync = 10 * time.Millisecond

// slowDisk says that the machine's disk, as it was before the load, is no measure of
// what etcd can do.
func (c *Capacity) slowDisk() string {
	if d := c.Environment.Disk; d != nil && d.SyncP99 > slowSync {
		return fmt.Sprintf("an fdatasync on this disk has a p99 of %v: etcd asks for less than %v", d.SyncP99.Round(time.Millisecond), slowSync)
	}
	return ""
}

// Curve are the clear probes by rate: latency versus load. Of several at one rate,
// the longest.
func (c *Capacity) Curve() []CapacityProbe {
	byRate := map[float64]CapacityProbe{}
	for _, p := range c.Probes {
		if p.P50 > 0 && p.Verdict != GeneratorLimit && p.Stage != StageDown && p.Length >= byRate[p.Rate].Length {
			byRate[p.Rate] = p
		}
	}
	var list []CapacityProbe
	for _, p := range byRate {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b CapacityProbe) int { return cmp.Compare(a.Rate, b.Rate) })
	return list
}
