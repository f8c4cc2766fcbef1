package results

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// TuningSchema names the version of a tuning's document.
const TuningSchema = "etcdbench.tuning/v1"

// DimensionPair is the dimension of heartbeat interval and election timeout; others
// are named after etcd's flag.
const DimensionPair = "heartbeat-election"

// Tuning compares settings of a cluster, and recommends one.
type Tuning struct {
	Schema  string    `json:"schema"`
	ID      string    `json:"id"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Workload, Cluster and Environment are those of the runs; the cluster's settings
	// are those of the last.
	Workload    string      `json:"workload"`
	Rate        float64     `json:"rate"`
	Cluster     Cluster     `json:"cluster"`
	Environment Environment `json:"environment"`
	Dimension   string      `json:"dimension"`
	// RTT is the longest round trip between two members: as it was made, or, where
	// RTTMeasured, an upper bound that was read from the members.
	RTT         time.Duration `json:"rtt_ns"`
	RTTMeasured bool          `json:"rtt_measured,omitempty"`
	// Fsync is the upper bound of the slowest member's p99.
	Fsync time.Duration `json:"fsync_p99_ns,omitempty"`
	// Failover says that faults were made, and failover measured.
	Failover bool    `json:"failover_measured"`
	Tried    []Tried `json:"tried"`
	// Recommended names one that was tried, or that the rules give; Reasons say why.
	Recommended string    `json:"recommended,omitempty"`
	Settings    []Setting `json:"settings,omitempty"`
	Reasons     []string  `json:"reasons"`
	// Compared is the recommended against the defaults, measured in turns.
	Compared *TuningComparison `json:"compared,omitempty"`
}

// Setting is one of etcd's flags.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Tried is one choice of settings, and what its runs said.
type Tried struct {
	Name     string    `json:"name"`
	Settings []Setting `json:"settings"`
	Default  bool      `json:"default,omitempty"`
	// Heartbeat and Election are the pair, where that is the dimension.
	Heartbeat time.Duration `json:"heartbeat_ns,omitempty"`
	Election  time.Duration `json:"election_ns,omitempty"`
	// Finding says what kept it from being measured whole, such as that no leader
	// could be elected.
	Finding string   `json:"finding,omitempty"`
	Runs    []string `json:"runs,omitempty"`
	// P50 and P99 are response times of the steady stretch, medians over runs, in ns.
	P50 float64 `json:"p50_ns,omitempty"`
	P99 float64 `json:"p99_ns,omitempty"`
	// Steady adds up the steady stretches; ElectionsPerHour is the 95 % upper bound
	// of elections that nobody asked for.
	Steady            time.Duration `json:"steady_ns"`
	Elections         float64       `json:"elections"`
	ElectionsPerHour  float64       `json:"elections_per_hour_at_most"`
	HeartbeatFailures float64       `json:"heartbeat_failures"`
	// Figures are others of the steady stretch, medians over runs: the costs of
	// [Run.Figures], and idle_cpu and idle_peer_bytes.
	Figures map[string]float64 `json:"figures,omitempty"`
	// Faults sum up the outages by what caused them.
	Faults []FaultTimes `json:"faults,omitempty"`
	// Failover is the median unavailability after the leader was lost, ns.
	Failover float64 `json:"failover_ns,omitempty"`
	// FailoverP99 is the p99 of the same, with few of them the longest.
	FailoverP99 float64 `json:"failover_p99_ns,omitempty"`
	// Pareto says that no other one that kept steady is better in one respect and as
	// good in all.
	Pareto bool `json:"pareto,omitempty"`
}

// FaultTimes are the lengths of the outages after one kind of fault, in ns: with
// few of them, P99 is the longest.
type FaultTimes struct {
	Fault   string          `json:"fault"`
	Outages []time.Duration `json:"outages_ns"`
	P50     time.Duration   `json:"p50_ns"`
	P99     time.Duration   `json:"p99_ns"`
	// Open counts those after which the rate was not back before the next fault.
	Open int `json:"open,omitempty"`
}

// TuningComparison is the A/B of the recommended settings against the defaults.
type TuningComparison struct {
	Rounds  int             `json:"rounds"`
	Dropped int             `json:"dropped,omitempty"`
	Metrics []MetricVerdict `json:"metrics"`
	// Elections that nobody asked for, with the recommended settings.
	Elections float64 `json:"elections"`
	Text      string  `json:"text"`
}

// The faults that are made.
const (
	FaultKillLeader   = "kill-leader"
	FaultPauseLeader  = "pause-leader"
	FaultCutLeader    = "cut-leader"
	FaultKillFollower = "kill-follower"
	FaultMoveLeader   = "move-leader"
)

// LostLeader lists the faults after which a new leader must be elected.
func LostLeader() []string { return []string{FaultKillLeader, FaultPauseLeader, FaultCutLeader} }

// Add takes a run's figures into account.
func (t *Tried) Add(runs ...*Run) {
	var p50, p99 []float64
	figures := map[string][]float64{}
	times := map[string]*FaultTimes{}
	var lost []time.Duration
	for _, run := range runs {
		f, r := run.Figures(), run.Resilience
		if r == nil {
			continue
		}
		f["idle_cpu"], f["idle_peer_bytes"] = r.IdleCPU, r.IdleBytes
		p50, p99 = append(p50, f["p50"]), append(p99, f["p99"])
		for name, v := range f {
			if name != "p50" && name != "p99" && v > 0 {
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
			if times[u.Fault] == nil {
				times[u.Fault] = &FaultTimes{Fault: u.Fault}
			}
			ft := times[u.Fault]
			ft.Outages = append(ft.Outages, u.Length)
			if u.Open {
				ft.Open++
			}
			if slices.Contains(LostLeader(), u.Fault) {
				lost = append(lost, u.Length)
			}
		}
	}
	t.P50, t.P99 = medianOf(p50), medianOf(p99)
	t.Figures = map[string]float64{}
	for name, vs := range figures {
		t.Figures[name] = medianOf(vs)
	}
	t.ElectionsPerHour = rateBound(t.Elections, t.Steady)
	for _, name := range sortedNames(times) {
		ft := times[name]
		ft.P50, ft.P99 = quantileOf(ft.Outages, 0.5), quantileOf(ft.Outages, 0.99)
		t.Faults = append(t.Faults, *ft)
	}
	t.Failover, t.FailoverP99 = float64(quantileOf(lost, 0.5)), float64(quantileOf(lost, 0.99))
}

func medianOf(vs []float64) float64 {
	if len(vs) == 0 {
		return 0
	}
	return median(slices.Sorted(slices.Values(vs)))
}

// quantileOf is the smallest value that is not below the share p of all.
func quantileOf(ds []time.Duration, p float64) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func sortedNames[T any](m map[string]T) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// What counts as equal when settings are compared: response times of short runs
// scatter more than failovers do.
const (
	equalTime     = 0.25
	equalFailover = 0.10
	equalCPU      = 0.10
)

// steady says that nothing spoke against the settings.
func (t *Tried) steady() bool { return t.Finding == "" && t.Elections == 0 && t.P99 > 0 }

// dominates says that t is as good as other in all respects and better in one.
func (t *Tried) dominates(other *Tried) bool {
	asGood, better := true, false
	for _, c := range []struct{ mine, theirs, equal float64 }{
		{t.P99, other.P99, equalTime}, {t.Failover, other.Failover, equalFailover}, {t.Figures["cpu"], other.Figures["cpu"], equalCPU},
	} {
		asGood = asGood && c.mine <= c.theirs*(1+c.equal)
		better = better || c.mine*(1+c.equal) < c.theirs
	}
	return asGood && better
}

// Judge marks the Pareto set and recommends: of those that kept steady, whose p99 is
// as good as the defaults' and that keep to etcd's rules, the one that fails over
// fastest; for other dimensions, the one with the lowest p99. It stays with the
// defaults unless another is better by more than what counts as equal.
func (t *Tuning) Judge() {
	var base *Tried
	for i := range t.Tried {
		x := &t.Tried[i]
		if x.Default {
			base = x
		}
		x.Pareto = x.steady() && !slices.ContainsFunc(t.Tried, func(o Tried) bool { return o.steady() && o.dominates(x) })
	}
	t.Reasons = nil
	var best *Tried
	for i := range t.Tried {
		x := &t.Tried[i]
		switch {
		case !x.steady(), t.breaksRules(x) != "" && !x.Default:
		case base != nil && base.steady() && x.P99 > base.P99*(1+equalTime):
		case best == nil || t.measure(x) < t.measure(best):
			best = x
		}
	}
	if base != nil && base.steady() && best != nil && t.measure(best)*(1+t.equal()) > t.measure(base) {
		best = base
	}
	if best == nil {
		t.Reasons = append(t.Reasons, "none of the settings kept steady and within etcd's rules")
	} else {
		t.Recommended, t.Settings = best.Name, best.Settings
		t.reason(best, base)
	}
	for i := range t.Tried {
		x := &t.Tried[i]
		if best != nil && x.Name != best.Name && t.measure(x) < t.measure(best) {
			if why := t.against(x, base); why != "" {
				t.Reasons = append(t.Reasons, "not "+x.Name+": "+why)
			}
		}
	}
}

// measure is what decides among settings that are otherwise equal: less is better.
func (t *Tuning) measure(x *Tried) float64 {
	if t.Failover && x.Failover > 0 {
		return x.Failover
	}
	return x.P99
}

func (t *Tuning) equal() float64 {
	if t.Failover {
		return equalFailover
	}
	return equalTime
}

func (t *Tuning) reason(best, base *Tried) {
	add := func(format string, args ...any) { t.Reasons = append(t.Reasons, fmt.Sprintf(format, args...)) }
	ms := func(ns float64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }
	switch {
	case best.Default && t.Failover:
		add("the defaults are best: nothing else that kept steady within the rules fails over faster by %.0f %% or more", 100*equalFailover)
	case best.Default:
		add("the defaults are best: nothing else has a p99 that is lower by %.0f %% or more", 100*equalTime)
	case t.Failover && base != nil && base.Failover > 0:
		add("it fails over in %v, the defaults in %v", ms(best.Failover), ms(base.Failover))
	case base != nil:
		add("its p99 is %v, the defaults' %v", ms(best.P99), ms(base.P99))
	}
	if t.Dimension == DimensionPair {
		add("%.0f elections that nobody asked for in %v of load: %.0f an hour at most, as far as that shows (95 %%)", best.Elections, best.Steady.Round(time.Second), best.ElectionsPerHour)
	}
	if !best.Default && base != nil && t.Failover {
		add("its p99 is %v, the defaults' %v", ms(best.P99), ms(base.P99))
	}
	if why := t.breaksRules(best); why != "" {
		add("it breaks etcd's rules: %s", why)
	}
}

// against says why a faster choice was not taken.
func (t *Tuning) against(x, base *Tried) string {
	switch {
	case x.Finding != "":
		return x.Finding
	case x.Elections > 0:
		return fmt.Sprintf("%.0f elections that nobody asked for in %v", x.Elections, x.Steady.Round(time.Second))
	case t.breaksRules(x) != "":
		return t.breaksRules(x)
	case base != nil && x.P99 > base.P99*(1+equalTime):
		return fmt.Sprintf("its p99 is %v", time.Duration(x.P99).Round(time.Millisecond))
	}
	return ""
}

// leastHeartbeat is how short a heartbeat need not be, however short the way: below,
// the rule of half a round trip says nothing.
const leastHeartbeat = 100 * time.Millisecond

// Rules are etcd's documented ones for the round trip, in words, or nothing where the
// dimension has none or the round trip is not known.
func (t *Tuning) Rules() string {
	if t.Dimension != DimensionPair || t.RTT == 0 {
		return ""
	}
	ms := func(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
	return fmt.Sprintf("etcd's rules for round trips of %v: a heartbeat interval of %v to %v, an election timeout of %v or more", t.RTT, ms(t.RTT/2), ms(t.RTT+t.RTT/2), ms(10*t.RTT))
}

// breaksRules says which of etcd's documented rules a pair breaks: a heartbeat
// interval of 0.5 to 1.5 times the longest round trip, an election timeout of ten
// round trips or more (etcd's tuning guide).
func (t *Tuning) breaksRules(x *Tried) string {
	if t.Dimension != DimensionPair {
		return ""
	}
	var broken []string
	if 2*x.Heartbeat < t.RTT {
		broken = append(broken, fmt.Sprintf("a heartbeat interval of %v is less than half a round trip of %v", x.Heartbeat, t.RTT))
	}
	if x.Heartbeat > max(leastHeartbeat, t.RTT+t.RTT/2) {
		broken = append(broken, fmt.Sprintf("a heartbeat interval of %v is more than one and a half round trips of %v", x.Heartbeat, t.RTT))
	}
	if x.Election < 10*t.RTT {
		broken = append(broken, fmt.Sprintf("an election timeout of %v is less than ten round trips of %v", x.Election, t.RTT))
	}
	return strings.Join(broken, "; ")
}

// Judge says in words what the comparison has shown.
func (c *TuningComparison) Judge(failover bool) {
	var parts []string
	for _, m := range c.Metrics {
		if !m.Primary || m.Verdict == NotMeasured {
			continue
		}
		word := "as good"
		switch {
		case m.Estimate > m.equal():
			word = "worse"
		case m.Estimate < -m.equal():
			word = "better"
		}
		parts = append(parts, fmt.Sprintf("%s %s (%+.0f %%)", m.Name, word, 100*m.Estimate))
	}
	c.Text = "measured again in turns with the defaults: " + strings.Join(parts, ", ")
	if c.Elections > 0 {
		c.Text += fmt.Sprintf("; %.0f elections that nobody asked for", c.Elections)
	} else if failover {
		c.Text += "; no election that nobody asked for"
	}
}

func (m MetricVerdict) equal() float64 {
	if m.Name == "failover" {
		return equalFailover
	}
	return equalTime
}
