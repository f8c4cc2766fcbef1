package report

import (
	"math"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// maxColumns is how many points a chart over time has. Of more seconds, a column
// stands for several, and shows the highest of their percentiles: percentiles are
// never averaged.
const maxColumns = 600

// column is one point of the charts over time.
type column struct {
	start, length   time.Duration
	phase           string
	completed       uint64
	failed          uint64
	p50, p99, p999  int64
	inFlight, queue int
	// server has what each member did in each second, by metric and member: rates
	// of counters, values of gauges.
	server map[string]map[string]float64
}

// readColumns goes through a document's intervals once.
func readColumns(d Document) ([]column, []string, error) {
	var seconds []column
	var members []string
	before := map[string]results.Reading{}
	err := eachInterval(d, func(i *results.Interval) error {
		if i.Phase == "drain" && i.Length < time.Second/2 {
			return nil
		}
		c := column{start: i.Start, length: i.Length, phase: i.Phase, inFlight: i.InFlight, queue: i.Queued, server: map[string]map[string]float64{}}
		for _, o := range i.Operations {
			if o.Arrived {
				continue
			}
			c.completed += o.Completed
			c.failed += o.Failed + o.TimedOut + o.Dropped
			l := o.ResponseTime
			c.p50, c.p99, c.p999 = max(c.p50, resolved(l, 50, l.P50)), max(c.p99, resolved(l, 99, l.P99)), max(c.p999, resolved(l, 99.9, l.P999))
		}
		for _, r := range i.Members {
			if _, known := before[r.Member]; !known {
				members = append(members, r.Member)
			}
			if a := before[r.Member]; a.Values != nil && r.Values != nil && r.At > a.At {
				c.server[r.Member] = movedValues(a, r)
			}
			before[r.Member] = r
		}
		seconds = append(seconds, c)
		return nil
	})
	return joinColumns(seconds), members, err
}

// resolved is a percentile, or 0 where too few samples lie beyond it.
func resolved(l results.Latency, p float64, ns int64) int64 {
	if l.Resolved(p) {
		return ns
	}
	return 0
}

// movedValues are the rates of counters, per second, and the values of gauges.
func movedValues(a, b results.Reading) map[string]float64 {
	v := map[string]float64{}
	for _, m := range results.Metrics() {
		x, okX := a.Values[m.Name]
		y, okY := b.Values[m.Name]
		switch {
		case !okY:
		case !m.Counter:
			v[m.Name] = y
		case okX && y >= x:
			v[m.Name] = (y - x) / (b.At - a.At).Seconds()
		}
	}
	return v
}

func joinColumns(seconds []column) []column {
	each := (len(seconds) + maxColumns - 1) / maxColumns
	if each <= 1 {
		return seconds
	}
	var joined []column
	for i := 0; i < len(seconds); i += each {
		c := seconds[i]
		for _, s := range seconds[i+1 : min(i+each, len(seconds))] {
			c.length = s.start + s.length - c.start
			c.completed += s.completed
			c.failed += s.failed
			c.p50, c.p99, c.p999 = max(c.p50, s.p50), max(c.p99, s.p99), max(c.p999, s.p999)
			c.inFlight, c.queue = max(c.inFlight, s.inFlight), max(c.queue, s.queue)
			for m, values := range s.server {
				if c.server[m] == nil {
					c.server[m] = values
					continue
				}
				for name, v := range values {
					c.server[m][name] = max(c.server[m][name], v)
				}
			}
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
