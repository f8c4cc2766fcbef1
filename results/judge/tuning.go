package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// AddRuns sets the figures of a candidate from its runs. It skips runs without a
// [results.Resilience].
func AddRuns(t *results.Tried, runs ...*results.Run) {
	figures, unresolved := map[string][]float64{}, map[string]bool{}
	outages := map[string][]detected{}
	for _, run := range runs {
		r := run.Resilience
		if r == nil {
			continue
		}
		f, atLeast := run.BoundedFigures()
		for _, name := range []string{"p50", "p99"} {
			if atLeast[name] && !slices.Contains(t.AtLeast, name) {
				t.AtLeast = append(t.AtLeast, name)
			}
		}
		f["idle_cpu"], f["idle_peer_bytes"] = r.IdleCPU, r.IdleBytes
		for _, name := range []string{"p50", "p99"} {
			if _, ok := f[name]; !ok {
				unresolved[name] = true
			}
		}
		for name, v := range f {
			if v > 0 {
				figures[name] = append(figures[name], v)
			}
		}
		t.Steady += r.Steady
		t.Elections += r.Elections
		t.HeartbeatFailures += r.HeartbeatFailures
		if t.Finding == "" {
			t.Finding = r.Finding
		}
		for _, u := range r.Outages {
			outages[u.Fault] = append(outages[u.Fault], detected{u, r.Late})
		}
	}
	for name, median := range map[string]*float64{"p50": &t.P50, "p99": &t.P99} {
		// It is not resolved unless it is in every run.
		if *median = 0; !unresolved[name] && len(figures[name]) > 0 {
			*median = stats.Median(figures[name])
		}
		delete(figures, name)
	}
	t.Figures = map[string]float64{}
	for name, values := range figures {
		t.Figures[name] = stats.Median(values)
	}
	t.ElectionsPerHour = electionRate(t.Elections, t.Steady)
	addFaults(t, outages)
}

// detected is an outage, with the shortest outage that its run could detect.
type detected struct {
	results.Unavailability
	least time.Duration
}

// addFaults summarises the outages by the fault that caused them.
func addFaults(t *results.Tried, outages map[string][]detected) {
	var lost []detected
	for _, fault := range slices.Sorted(maps.Keys(outages)) {
		t.Faults = append(t.Faults, faultTimes(fault, outages[fault]))
		if slices.Contains(results.LostLeader(), fault) {
			lost = append(lost, outages[fault]...)
		}
	}
	failover := faultTimes("", lost)
	t.Failover, t.FailoverP99, t.FailoverBelow = float64(failover.P50), float64(failover.P99), 0
	if failover.P50 == 0 {
		t.FailoverBelow = float64(failover.Below)
	}
}

func faultTimes(fault string, outages []detected) results.FaultTimes {
	var lengths []time.Duration
	open, undetected, below := 0, 0, time.Duration(0)
	for _, u := range outages {
		lengths = append(lengths, u.Length)
		if u.Open {
			open++
		}
		if u.Length == 0 {
			undetected, below = undetected+1, max(below, u.least)
		}
	}
	times := results.NewFaultTimes(fault, lengths)
	times.Open, times.Undetected, times.Below, times.Trace = open, undetected, below, medianTrace(outages)
	return times
}

// electionRate returns the 95 % upper bound of elections per hour.
func electionRate(elections float64, over time.Duration) float64 {
	if over <= 0 {
		return 0
	}
	return stats.PoissonUpper(elections, 0.05) / over.Hours()
}

// The differences that count as equal when settings are compared: response times of short runs
// scatter more than failovers do.
const (
	equalTime     = 0.25
	equalFailover = 0.10
	equalCPU      = 0.10
)

// steady reports whether there is no finding against the settings. A p99 that is a lower bound
// is a finding: one operation in a hundred did not finish.
func steady(t *results.Tried) bool {
	return t.Finding == "" && t.Elections == 0 && t.P99 > 0 && !slices.Contains(t.AtLeast, "p99")
}

// dominates reports whether t is as good as other in all respects and better in one. For a
// failover that was not detected, it considers all possible lengths.
func dominates(t, other *results.Tried) bool {
	asGood, better := true, false
	for _, c := range []struct{ mine, theirs, equal float64 }{
		{t.P99, other.P99, equalTime}, {max(t.Failover, t.FailoverBelow), other.Failover, equalFailover},
		{t.Figures["cpu"], other.Figures["cpu"], equalCPU},
	} {
		asGood = asGood && c.mine <= c.theirs*(1+c.equal)
		better = better || c.mine*(1+c.equal) < c.theirs
	}
	return asGood && better
}

// tuning is a [results.Tuning] during its judgement.
type tuning results.Tuning

// Tuning marks the Pareto set of a tuning and sets its recommendation with the reasons:
// of the settings that were steady, whose p99 is as good as that of the defaults and
// that conform to etcd's rules, those that fail over fastest; without faults, those
// with the lowest p99. It recommends the defaults unless others are better by more than
// what counts as equal.
func Tuning(document *results.Tuning) {
	t := (*tuning)(document)
	var base *results.Tried
	for i := range t.Tried {
		x := &t.Tried[i]
		if x.Default {
			base = x
		}
		x.Pareto = steady(x) && !slices.ContainsFunc(t.Tried, func(o results.Tried) bool { return steady(&o) && dominates(&o, x) })
	}
	t.Reasons = nil
	var best *results.Tried
	for i := range t.Tried {
		x := &t.Tried[i]
		switch {
		case !steady(x), t.breaksRules(x) != "" && !x.Default:
		case base != nil && base.P99 > 0 && !slices.Contains(base.AtLeast, "p99") && x.P99 > base.P99*(1+equalTime):
		case best == nil || t.measure(x) < t.measure(best):
			best = x
		}
	}
	if base != nil && steady(base) && best != nil && !t.faster(best, base) {
		best = base
	}
	if best == nil {
		t.Reasons = append(t.Reasons, "no settings were steady and within etcd's rules")
	} else {
		t.Recommended, t.Settings = best.Name, best.Settings
		t.reason(best, base)
	}
	for i := range t.Tried {
		x := &t.Tried[i]
		impossible := x.Finding != "" && len(x.Runs) == 0
		if best != nil && x.Name != best.Name && (impossible || t.measure(x) < t.measure(best)) {
			if why := t.against(x, base); why != "" {
				t.Reasons = append(t.Reasons, "not "+x.Name+": "+why)
			}
		}
	}
}

// measure returns the figure that decides among settings that are otherwise equal: smaller is
// better. A failover that was not detected counts with its upper bound, and one that was not
// measured as infinite.
func (t *tuning) measure(x *results.Tried) float64 {
	switch {
	case !t.Failover:
		return x.P99
	case x.Failover > 0:
		return x.Failover
	case x.FailoverBelow > 0:
		return x.FailoverBelow
	}
	return math.Inf(1)
}

// faster reports whether settings are better than the defaults by more than the difference that
// counts as equal, for any possible length of a failover of the defaults that was not detected.
func (t *tuning) faster(x, base *results.Tried) bool {
	if t.Failover && base.Failover == 0 && base.FailoverBelow > 0 {
		return false
	}
	mine := t.measure(x)
	return !math.IsInf(mine, 1) && mine*(1+t.equal()) <= t.measure(base)
}

func (t *tuning) equal() float64 {
	if t.Failover {
		return equalFailover
	}
	return equalTime
}

func (t *tuning) reason(best, base *results.Tried) {
	add := func(format string, args ...any) { t.Reasons = append(t.Reasons, fmt.Sprintf(format, args...)) }
	ms := func(ns float64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }
	switch {
	case best.Default && t.Failover && best.Failover == 0 && best.FailoverBelow > 0:
		add("the defaults are kept: their failover is not detectable, so no setting can be shown to be faster: "+
			"it is shorter than %v, before which no arrival counts as late", ms(best.FailoverBelow))
	case best.Default && t.Failover:
		add("the defaults are best: no other steady setting within etcd's rules has a failover that is faster by %.0f %% or more",
			100*equalFailover)
	case best.Default:
		add("the defaults are best: no other setting has a p99 that is lower by %.0f %% or more", 100*equalTime)
	case t.Failover && base != nil && base.Failover > 0 && best.Failover == 0:
		add("its failover is shorter than the detectable %v; the defaults fail over in %v", ms(best.FailoverBelow), ms(base.Failover))
	case t.Failover && base != nil && base.Failover > 0:
		add("it fails over in %v, the defaults in %v", ms(best.Failover), ms(base.Failover))
	case base != nil:
		add("its p99 is %v; the p99 of the defaults is %v", ms(best.P99), ms(base.P99))
	}
	if t.Dimension == results.DimensionPair {
		add("%.0f unplanned elections in %v of load: %.0f an hour at most (95 %% upper bound)",
			best.Elections, best.Steady.Round(time.Second), best.ElectionsPerHour)
	}
	if !best.Default && base != nil && t.Failover {
		add("its p99 is %v; the p99 of the defaults is %v", ms(best.P99), ms(base.P99))
	}
	if why := t.breaksRules(best); why != "" {
		add("it violates etcd's rules: %s", why)
	}
}

// against returns the reason why faster settings are not recommended.
func (t *tuning) against(x, base *results.Tried) string {
	switch {
	case x.Finding != "":
		return x.Finding
	case x.Elections > 0:
		return fmt.Sprintf("%.0f unplanned elections in %v", x.Elections, x.Steady.Round(time.Second))
	case slices.Contains(x.AtLeast, "p99"):
		return fmt.Sprintf("its p99 is at least %v: operations did not finish", time.Duration(x.P99).Round(time.Millisecond))
	case t.breaksRules(x) != "":
		return t.breaksRules(x)
	case base != nil && x.P99 > base.P99*(1+equalTime):
		return fmt.Sprintf("its p99 is %v", time.Duration(x.P99).Round(time.Millisecond))
	}
	return ""
}

// leastHeartbeat is a heartbeat interval that is never too long, however short the
// round trip.
const leastHeartbeat = 100 * time.Millisecond

// EtcdRules returns a text with etcd's documented rules for the round trip of a tuning. It
// returns "" if the dimension has no rules or if the round trip is unknown.
func EtcdRules(t *results.Tuning) string {
	if t.Dimension != results.DimensionPair || t.RTT == 0 {
		return ""
	}
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("etcd's rules for round trips of %v: a heartbeat interval of %v to %v, an election timeout of %v or more",
		t.RTT, ms(t.RTT/2), ms(t.RTT+t.RTT/2), ms(10*t.RTT))
}

// breaksRules returns a text about the documented rules of etcd that a pair violates, or "" if
// there are none: a heartbeat interval of 0.5 to 1.5 times the longest round trip, and an
// election timeout of ten round trips or more (etcd's tuning guide).
func (t *tuning) breaksRules(x *results.Tried) string {
	if t.Dimension != results.DimensionPair {
		return ""
	}
	var broken []string
	if 2*x.Heartbeat < t.RTT {
		broken = append(broken, fmt.Sprintf("a heartbeat interval of %v is less than half a round trip of %v", x.Heartbeat, t.RTT))
	}
	if x.Heartbeat > max(leastHeartbeat, t.RTT+t.RTT/2) {
		broken = append(broken,
			fmt.Sprintf("a heartbeat interval of %v is more than one and a half round trips of %v", x.Heartbeat, t.RTT))
	}
	if x.Election < 10*t.RTT {
		broken = append(broken, fmt.Sprintf("an election timeout of %v is less than ten round trips of %v", x.Election, t.RTT))
	}
	return strings.Join(broken, "; ")
}
