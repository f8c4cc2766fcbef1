package judge

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// NewCapacityProbe returns the data of a run at one rate for a capacity search. It has no
// verdict: see [Probe].
func NewCapacityProbe(number int, stage string, rate float64, length time.Duration, run *results.Run) results.CapacityProbe {
	f, atLeast := run.BoundedFigures()
	all, err := run.Measured("")
	if err != nil {
		all = results.Operation{} // without figures
	}
	p := results.CapacityProbe{
		Number: number, Stage: stage, Rate: rate, Length: length, Achieved: f["throughput"], ErrorRate: f["error_rate"],
		P50: int64(f["p50"]), P99: int64(f["p99"]), P999: int64(f["p99.9"]), AtLeast: slices.Sorted(maps.Keys(atLeast)),
		Validity: run.Validity.Verdict, Reasons: slices.Clone(run.Validity.Reasons),
	}
	if lag := run.Validity.Generator.SendLag.Percentile(99); lag.Resolved {
		p.SendLag = int64(lag.Time)
	}
	// Little's law: the mean number of operations under way.
	if length := run.Length(run.Measures); length > 0 {
		p.Concurrency = float64(all.ResponseTime.Count) * float64(all.ResponseTime.Mean) / float64(length)
	}
	if run.Server != nil {
		for _, m := range run.Server.Members {
			p.DBSize = max(p.DBSize, int64(m.Last["db_size"]))
			p.Revision = max(p.Revision, int64(m.Last["revision"]))
		}
	}
	return p
}

// CapacityTarget compares the interval of a capacity search with a target, in writes per
// second. The target is met if the whole interval reaches it, and missed if no part of it does.
// Otherwise it is undecided, as it is if the limit may have been the generator, its machine, or
// a slow disk.
func CapacityTarget(c *results.Capacity, writes, writesPerOperation float64) results.Target {
	t := results.Target{Writes: writes, Achieved: c.Low * writesPerOperation, Verdict: results.TargetUndecided}
	switch {
	case writesPerOperation == 0:
		t.Verdict = results.TargetNone
	case t.Achieved >= writes:
		t.Verdict = results.TargetMet
	case c.Stopped != "":
		t.Reason = c.Stopped
	case c.High*writesPerOperation < writes && c.Machine != "":
		t.Reason = c.Machine
	case c.High*writesPerOperation < writes && slowDisk(c) != "":
		t.Reason = slowDisk(c)
	case c.High*writesPerOperation < writes:
		t.Verdict = results.TargetMissed
	default:
		t.Reason = "the target lies within the interval"
	}
	return t
}

// clientsBusy is the code of a reason that an overloaded cluster causes by itself: all clients
// wait for it.
const clientsBusy = "clients-busy"

// MachineLimit returns the reason why the generator or its machine may have been the limit at
// the ends of the interval of a capacity search. It returns "" if the cluster was the limit.
func MachineLimit(c *results.Capacity) string {
	for _, p := range c.Probes {
		searching := p.Stage != results.StageDown && p.Stage != results.StageSweep
		if !searching || p.Verdict == results.Sustained || p.Rate <= c.Low || c.High > 0 && p.Rate > c.High {
			continue
		}
		for _, r := range p.Reasons {
			if r.Code != clientsBusy {
				return r.Message
			}
		}
	}
	return ""
}

// NothingSustained reports whether a search without a sustained rate shows that the cluster does not
// meet the SLO: the lowest rate failed, or several rates did and those below have too few
// operations.
func NothingSustained(c *results.Capacity) bool {
	const several = 3
	overloaded := map[float64]bool{}
	for _, p := range c.Probes {
		if p.Verdict == results.Overloaded {
			overloaded[p.Rate] = true
		}
	}
	n := len(c.Probes)
	return n > 0 && c.Low == 0 && (c.Probes[n-1].Verdict == results.Overloaded || len(overloaded) >= several)
}

// Contradictions marks the probes of a capacity search that did not sustain a rate below
// one that another sustained, and warns of them: the verdicts should be monotone. A soak,
// which requires more than a probe, is contradicted by probes as well. Of repeated probes,
// the last one counts; those with a member down do not. unit follows a rate.
func Contradictions(c *results.Capacity, unit string) {
	var examples []string
	for i := range c.Probes {
		p := &c.Probes[i]
		p.Contradicted = 0
		if failed := p.Verdict == results.Overloaded || p.Verdict == results.Unclear; !failed || p.Stage == results.StageDown ||
			slices.ContainsFunc(c.Probes[i+1:], func(o results.CapacityProbe) bool { return o.Rate == p.Rate && o.Stage == p.Stage }) {
			continue
		}
		highest := p.Rate
		for _, o := range c.Probes {
			if o.Stage != results.StageDown && o.Verdict == results.Sustained && o.Rate > highest {
				highest, p.Contradicted = o.Rate, o.Number
			}
		}
		if p.Contradicted > 0 {
			examples = append(examples, fmt.Sprintf("%s%s was %s (probe %d, %s) and %s%s sustained (probe %d)",
				results.Amount(p.Rate), unit, p.Verdict, p.Number, p.Stage, results.Amount(highest), unit, p.Contradicted))
		}
	}
	c.Warnings = slices.DeleteFunc(c.Warnings, func(w results.Warning) bool { return w.Code == results.WarnNotMonotone })
	if len(examples) == 0 {
		return
	}
	text := "the verdicts are not monotone: " + examples[0]
	if more := len(examples) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	c.Warnings = append(c.Warnings, results.Warning{Code: results.WarnNotMonotone, Message: text})
}

// slowSync is the p99 of an fsync above which etcd's guide calls a disk too slow.
const slowSync = 10 * time.Millisecond

// slowDisk returns a text if the machine's disk, before the load, was slower than etcd
// requires, and "" otherwise.
func slowDisk(c *results.Capacity) string {
	if d := c.Environment.Disk; d != nil && d.SyncP99 > slowSync {
		return fmt.Sprintf("fdatasync on this disk has a p99 of %v; etcd requires less than %v",
			results.ThreeDigits(d.SyncP99), slowSync)
	}
	return ""
}

// Curve returns the probes of the curve of latency versus load, by rate: those that the
// generator did not limit and whose p50 is resolved. Of several at one rate, it returns the
// longest.
func Curve(c *results.Capacity) []results.CapacityProbe {
	byRate := map[float64]results.CapacityProbe{}
	for _, p := range c.Probes {
		if p.P50 > 0 && p.Verdict != results.GeneratorLimit && p.Stage != results.StageDown && p.Length >= byRate[p.Rate].Length {
			byRate[p.Rate] = p
		}
	}
	var list []results.CapacityProbe
	for _, p := range byRate {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b results.CapacityProbe) int { return cmp.Compare(a.Rate, b.Rate) })
	return list
}

// NewFit fits the Universal Scalability Law to the sustained probes of a capacity search with a
// concurrency of 1 or more, for which the law is defined. It returns nil if there are too few,
// or if they are too similar.
func NewFit(c *results.Capacity) *results.USL {
	var points []results.USLPoint
	var plain []stats.Point
	for _, p := range Curve(c) {
		if p.Verdict == results.Sustained && p.Concurrency >= stats.UniversalDomain {
			points = append(points, results.USLPoint{Concurrency: p.Concurrency, Throughput: p.Achieved})
			plain = append(plain, stats.Point{X: p.Concurrency, Y: p.Achieved})
		}
	}
	fit, ok := stats.FitUSL(plain)
	if !ok {
		return nil
	}
	return &results.USL{
		Lambda: results.Estimate(fit.Lambda), Sigma: results.Estimate(fit.Sigma), Kappa: results.Estimate(fit.Kappa),
		Points: points, Reach: fit.Reach, Peak: fit.Peak,
	}
}

// NewPlan compares the lower end of the interval of a capacity search with a demand in
// the same unit. safe is the share of the maximum that is considered safe, growth that
// by which the demand grows each month.
func NewPlan(c *results.Capacity, demand, safe, growth float64) *results.CapacityPlan {
	p := &results.CapacityPlan{Demand: demand, Safe: safe, SafeRate: safe * c.Low, Growth: growth}
	p.Headroom = p.SafeRate/demand - 1
	switch {
	case p.Headroom <= 0:
	case growth > 0:
		p.Months = math.Log(p.SafeRate/demand) / math.Log1p(growth)
	default:
		p.Endless = true
	}
	if c.MemberDown != nil && c.MemberDown.Low > 0 {
		p.DownSafeRate = safe * c.MemberDown.Low
		p.DownHeadroom = p.DownSafeRate/demand - 1
	}
	return p
}

// capacityConfidence is the confidence of the interval of several searches.
const capacityConfidence = 0.95

// JoinCapacities joins several searches. The interval is the t-interval of the middles of the searches'
// intervals, on a logarithmic scale. It is widened by half of their mean width (as the root of the sum
// of squares), because a search cannot distinguish rates within its own interval: equal answers are not
// an exact answer. If a search has no lower or no upper end, the lower end is the smallest one of the
// searches, and there is no upper end.
func JoinCapacities(list []*results.Capacity) *results.Capacity {
	joined := *list[0]
	joined.Probes, joined.Warnings, joined.Machine = nil, nil, ""
	var middles []float64
	width := 0.0
	for _, c := range list {
		joined.Repeats = append(joined.Repeats, results.CapacityRange{Low: c.Low, High: c.High})
		joined.Probes = append(joined.Probes, c.Probes...)
		joined.Stopped, joined.Machine = cmp.Or(joined.Stopped, c.Stopped), cmp.Or(joined.Machine, c.Machine)
		for _, w := range c.Warnings {
			if !slices.Contains(joined.Warnings, w) {
				joined.Warnings = append(joined.Warnings, w)
			}
		}
		if c.Low > 0 && c.High > 0 {
			middles = append(middles, math.Log(c.Low*c.High)/2)
			width += math.Log(c.High/c.Low) / 2 / float64(len(list))
		}
	}
	joined.Low, joined.High = 0, 0
	if n := len(middles); n == len(list) && n > 1 {
		mean, half := stats.MeanInterval(middles, 1-capacityConfidence)
		half = math.Hypot(half, width)
		joined.Low, joined.High, joined.Confidence = math.Exp(mean-half), math.Exp(mean+half), capacityConfidence
		return &joined
	}
	joined.Low = math.Inf(1)
	for _, c := range list {
		joined.Low = min(joined.Low, c.Low)
	}
	return &joined
}
