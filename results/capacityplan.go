package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"
)

// Resource is how much of something was used at the maximum.
type Resource struct {
	Name   string `json:"name"`
	Member string `json:"member,omitempty"`
	// Share is of the resource's limit; 0 where none is known.
	Share float64 `json:"share,omitempty"`
	Text  string  `json:"text"`
}

// Resources are those of a run, the nearest to its limit first: of each kind, that of
// the member that used most.
func Resources(run *Run) []Resource {
	var list []Resource
	if cpus := float64(run.Environment.CPUs); cpus > 0 {
		g := run.Validity.Generator
		list = append(list, Resource{Name: "CPU of the generator", Share: g.CPU, Text: fmt.Sprintf("%.0f %% of this machine's CPUs", 100*g.CPU)})
		if run.Cluster.Kind != ClusterRemote {
			list = append(list, Resource{Name: "CPU of the machine", Share: g.Machine, Text: fmt.Sprintf("%.0f %% of its CPUs were busy, cluster and generator together", 100*g.Machine)})
		}
	}
	seconds := 0.0
	for _, ph := range run.Phases {
		if ph.Name != "populate" {
			seconds += ph.Length.Seconds()
		}
	}
	if run.Server == nil || seconds <= 0 {
		return ordered(list)
	}
	add := func(r Resource, value float64) {
		i := slices.IndexFunc(list, func(o Resource) bool { return o.Name == r.Name })
		switch {
		case value <= 0:
		case i < 0:
			list = append(list, r)
		case r.Share > list[i].Share:
			list[i] = r
		}
	}
	for _, m := range run.Server.Members {
		// Writes to the log, and commits, come one after the other: the time in them
		// has a limit, a second each second.
		fsync, commit, cpu := m.Growth["fsync_time"]/seconds, m.Growth["commit_time"]/seconds, m.Growth["cpu"]/seconds
		add(Resource{"fsync of the log", m.Member, fsync, fmt.Sprintf("%.0f %% of the time in it, p99 up to %v", 100*fsync, time.Duration(m.Times[HistogramFsync].P99[1]))}, fsync)
		add(Resource{"commit of the database", m.Member, commit, fmt.Sprintf("%.0f %% of the time in it, p99 up to %v", 100*commit, time.Duration(m.Times[HistogramCommit].P99[1]))}, commit)
		if run.Cluster.Kind != ClusterRemote && run.Environment.CPUs > 0 {
			add(Resource{"CPU of a member", m.Member, cpu / float64(run.Environment.CPUs), fmt.Sprintf("%.2f CPUs", cpu)}, cpu)
		}
		if quota := m.Last["quota"]; quota > 0 {
			add(Resource{"database", m.Member, m.Last["db_size"] / quota, fmt.Sprintf("%.0f MiB of %.0f MiB", m.Last["db_size"]/(1<<20), quota/(1<<20))}, m.Last["db_size"])
		}
		bytes := (m.Growth["peer_sent"] + m.Growth["client_sent"]) / seconds
		add(Resource{Name: "network", Member: m.Member, Share: 0, Text: fmt.Sprintf("%.1f MiB/s sent; its limit is not known", bytes/(1<<20))}, bytes)
	}
	return ordered(list)
}

func ordered(list []Resource) []Resource {
	slices.SortStableFunc(list, func(a, b Resource) int { return cmp.Compare(b.Share, a.Share) })
	return list
}

// concurrency is the mean number of measured operations under way.
func (r *Run) concurrency() float64 {
	lengths := map[string]float64{}
	for _, ph := range r.Phases {
		lengths[ph.Name] += ph.Length.Seconds()
	}
	n := 0.0
	for _, o := range r.Operations {
		if r.measures(o.Phase) && !o.Arrived && lengths[o.Phase] > 0 {
			n += float64(o.Completed) / lengths[o.Phase] * float64(o.ResponseTime.Mean) / 1e9
		}
	}
	return n
}

// NewFit fits the probes that were carried.
func (c *Capacity) NewFit(seed uint64) {
	var points []USLPoint
	for _, p := range c.Curve() {
		if p.Verdict == Sustained && p.Concurrency > 0 {
			points = append(points, USLPoint{p.Concurrency, p.Achieved})
		}
	}
	c.Fit, _ = FitUSL(points, seed)
}

// CapacityPlan says how far the maximum is from a demand.
type CapacityPlan struct {
	Demand float64 `json:"demand"`
	// Safe is the share of the maximum that is taken for safe, SafeRate that rate.
	Safe     float64 `json:"safe_share"`
	SafeRate float64 `json:"safe_rate"`
	// Headroom is by how much the demand may grow until the safe rate, as a share.
	Headroom float64 `json:"headroom"`
	// Growth is each month's, as a share; Months are how many it takes until the safe
	// rate. Endless where there is none.
	Growth  float64 `json:"growth,omitempty"`
	Months  float64 `json:"months,omitempty"`
	Endless bool    `json:"endless,omitempty"`
	// DownSafeRate is the safe rate with one member down, DownHeadroom its headroom;
	// without it, that was not measured.
	DownSafeRate float64 `json:"member_down_safe_rate,omitempty"`
	DownHeadroom float64 `json:"member_down_headroom,omitempty"`
}

// NewPlan compares the lower end of the interval with a demand in the same unit.
func (c *Capacity) NewPlan(demand, safe, growth float64) {
	p := &CapacityPlan{Demand: demand, Safe: safe, SafeRate: safe * c.Low, Growth: growth}
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
	c.Plan = p
}

// capacityConfidence is that of the interval of several searches.
const capacityConfidence = 0.95

// JoinCapacities makes one answer of several searches: a t-interval of the middles of
// their intervals, on a logarithmic scale. A search without an upper end has none to
// give, and leaves the whole without one.
func JoinCapacities(list []*Capacity) *Capacity {
	joined := *list[0]
	joined.Probes = nil
	var middles []float64
	for _, c := range list {
		joined.Repeats = append(joined.Repeats, CapacityRange{c.Low, c.High})
		joined.Probes = append(joined.Probes, c.Probes...)
		if joined.Stopped == "" {
			joined.Stopped = c.Stopped
		}
		if c.Low > 0 && c.High > 0 {
			middles = append(middles, math.Log(c.Low*c.High)/2)
		}
	}
	joined.Low, joined.High = 0, 0
	if n := len(middles); n == len(list) && n > 1 {
		mean, deviation := meanAndDeviation(middles)
		half := tQuantile((1+capacityConfidence)/2, n-1) * deviation / math.Sqrt(float64(n))
		joined.Low, joined.High, joined.Confidence = math.Exp(mean-half), math.Exp(mean+half), capacityConfidence
		return &joined
	}
	joined.Low = math.Inf(1)
	for _, c := range list {
		joined.Low = min(joined.Low, c.Low)
	}
	return &joined
}
