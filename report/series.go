package report

import (
	"math"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// How many points charts over time have. Of more seconds, a column stands for
// several, and shows the highest of their percentiles: percentiles are never
// averaged.
const (
	maxColumns       = 600
	maxMemberColumns = 200
)

// column is one point of the charts over time.
type column struct {
	start, length   time.Duration
	phase           string
	completed       uint64
	failed          uint64
	p50, p99, p999  int64
	inFlight, queue int
	heat            *heat
	// server has what each member did in each second, by metric and member: rates
	// of counters, values of gauges.
	server map[string]map[string]float64
	// happened is what became of the members: changes of leader, gaps, restarts.
	happened []string
}

// readColumns goes through a document's intervals once.
func readColumns(d Document) ([]column, []string, error) {
	var seconds []column
	var members []string
	before := map[string]results.Reading{}
	bounds, counters := heatBounds(), map[string]bool{}
	for _, m := range results.Metrics() {
		counters[m.Name] = m.Counter
	}
	err := eachInterval(d, func(i *results.Interval) error {
		if i.Phase == "drain" && i.Length < time.Second/2 {
			return nil
		}
		c := column{start: i.Start, length: i.Length, phase: i.Phase, inFlight: i.InFlight, queue: i.Queued, heat: &heat{}, server: map[string]map[string]float64{}}
		for _, o := range i.Operations {
			if o.Arrived {
				continue
			}
			c.completed += o.Completed
			c.failed += o.Failed + o.TimedOut + o.Dropped
			l := o.ResponseTime
			c.p50, c.p99, c.p999 = max(c.p50, resolved(l, 50, l.P50)), max(c.p99, resolved(l, 99, l.P99)), max(c.p999, resolved(l, 99.9, l.P999))
			c.heat.add(l, &bounds)
		}
		for _, r := range i.Members {
			a, known := before[r.Member]
			if !known {
				members = append(members, r.Member)
			}
			if known {
				c.happened = append(c.happened, happenings(a, r)...)
			}
			if a.Values != nil && r.Values != nil && r.At > a.At {
				c.server[r.Member] = movedValues(a, r, counters)
			}
			before[r.Member] = r
		}
		seconds = append(seconds, c)
		return nil
	})
	return seconds, members, err
}

// happenings are what became of a member between two readings.
func happenings(a, b results.Reading) []string {
	name := clean(b.Member)
	switch {
	case b.Missing != "" && a.Missing == "":
		return []string{name + " stopped answering"}
	case b.Missing != "":
		return nil
	case a.Missing != "":
		return []string{name + " answers again"}
	case b.Values["cpu"] < a.Values["cpu"]:
		return []string{name + " was started anew"}
	}
	var list []string
	if n := b.Values["leader_changes"] - a.Values["leader_changes"]; n > 0 {
		list = append(list, name+" saw "+plural(int(n), "change of leader", "changes of leader"))
	}
	switch was, is := a.Values["is_leader"], b.Values["is_leader"]; {
	case is > was:
		list = append(list, name+" became the leader")
	case b.Values["has_leader"] < a.Values["has_leader"]:
		list = append(list, name+" lost its leader")
	}
	return list
}

// resolved is a percentile, or 0 where too few samples lie beyond it.
func resolved(l results.Latency, p float64, ns int64) int64 {
	if l.Resolved(p) {
		return ns
	}
	return 0
}

// movedValues are the rates of counters, per second, and the values of gauges.
func movedValues(a, b results.Reading, counters map[string]bool) map[string]float64 {
	v := map[string]float64{}
	for _, m := range memberCharts {
		x, okX := a.Values[m.metric]
		y, okY := b.Values[m.metric]
		switch {
		case !okY:
		case !counters[m.metric]:
			v[m.metric] = y
		case okX && y >= x:
			v[m.metric] = (y - x) / (b.At - a.At).Seconds()
		}
	}
	return v
}

// joinColumns makes at most so many of them.
func joinColumns(seconds []column, most int) []column {
	each := (len(seconds) + most - 1) / most
	if each <= 1 {
		return seconds
	}
	var joined []column
	for i := 0; i < len(seconds); i += each {
		c := seconds[i]
		heat := *c.heat
		c.heat, c.server, c.happened = &heat, map[string]map[string]float64{}, slices.Clone(c.happened)
		for k, s := range seconds[i:min(i+each, len(seconds))] {
			for m, values := range s.server {
				if c.server[m] == nil {
					c.server[m] = map[string]float64{}
				}
				for name, v := range values {
					if had, ok := c.server[m][name]; !ok || v > had {
						c.server[m][name] = v
					}
				}
			}
			if k == 0 {
				continue
			}
			c.length = s.start + s.length - c.start
			c.completed += s.completed
			c.failed += s.failed
			c.p50, c.p99, c.p999 = max(c.p50, s.p50), max(c.p99, s.p99), max(c.p999, s.p999)
			c.inFlight, c.queue = max(c.inFlight, s.inFlight), max(c.queue, s.queue)
			c.heat.merge(s.heat)
			c.happened = append(c.happened, s.happened...)
		}
		joined = append(joined, c)
	}
	return joined
}

// percentilePoint is one point of a percentile curve.
type percentilePoint struct {
	nines float64 // −log10(1−p): 0 at 0 %, 1 at 90 %, 2 at 99 % …
	ns    int64
}

// curve is a latency's distribution towards its end, as far as it is resolved.
func curve(l results.Latency) []percentilePoint {
	h, err := l.Histogram()
	if err != nil || h.TotalCount() == 0 {
		return nil
	}
	var points []percentilePoint
	for nines := 0.0; nines <= 6; nines += 0.05 {
		p := 100 * (1 - math.Pow(10, -nines))
		if !l.Resolved(p) {
			break
		}
		points = append(points, percentilePoint{nines, h.ValueAtPercentile(p)})
	}
	return points
}
