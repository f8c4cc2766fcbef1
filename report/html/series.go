package html

import (
	"math"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// How many points charts over time have. Of more seconds, a column stands for
// several of one phase, and their histograms are merged.
const (
	maxColumns       = 600
	maxMemberColumns = 200
)

// column is one point of the charts over time.
type column struct {
	start, length time.Duration
	phase         string
	// ops are the requested operations, see results.Interval. sum is their sum, see addSums.
	ops []results.Operation
	// all are the operations of the column, also those that came by themselves.
	all             []results.Operation
	sum             results.Operation
	inFlight, queue int
	heat            *heat
	// server has the figures of each member in each second, by metric and member: rates of
	// counters, values of gauges.
	server map[string]map[string]float64
	// happened are the events of members, at most one happening per second, in the order of time.
	happened []happening
}

// happening is an event in the readings of one second: changes of leader, gaps, restarts. at
// is the time of the first of these readings, from the run's start.
type happening struct {
	at           time.Duration
	descriptions []string
}

// readColumns reads a document's intervals once.
func readColumns(d content.Document) ([]column, []string, error) {
	var seconds []column
	var members []string
	before := map[string]results.Reading{}
	counters := map[string]bool{}
	for _, m := range results.Metrics() {
		counters[m.Name] = m.Counter
	}
	err := d.EachInterval(func(i *results.Interval) error {
		if i.Phase == results.PhaseDrain && i.Length < time.Second/2 {
			return nil
		}
		c := column{
			start: i.Start, length: i.Length, phase: i.Phase, inFlight: i.InFlight, queue: i.Queued,
			server: map[string]map[string]float64{},
		}
		c.ops, c.all = i.Asked(), recorded(i)
		for _, r := range i.Members {
			a, known := before[r.Member]
			if !known {
				members = append(members, r.Member)
			}
			if known {
				c.addHappenings(a, r)
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

// recorded returns the operations that ended in the interval, without their service and queue
// times and without times that can be negative.
func recorded(i *results.Interval) []results.Operation {
	var list []results.Operation
	for _, o := range i.Operations {
		if o.Of == "" {
			o.ServiceTime, o.QueueTime = results.Latency{}, results.Latency{}
			list = append(list, o)
		}
	}
	return list
}

// addHappenings adds the events of a member between two readings.
func (c *column) addHappenings(a, b results.Reading) {
	list := happenings(a, b)
	if len(list) == 0 {
		return
	}
	if len(c.happened) == 0 {
		c.happened = []happening{{at: max(b.At, c.start)}}
	}
	h := &c.happened[0]
	h.descriptions = append(h.descriptions, list...)
}

// happenings returns the events of a member between two readings.
func happenings(a, b results.Reading) []string {
	name := words.Clean(b.Member)
	switch {
	case b.Missing != "" && a.Missing == "":
		return []string{name + " stopped answering"}
	case b.Missing != "":
		return nil
	case a.Missing != "":
		return []string{name + " answered again"}
	case b.Values["cpu"] < a.Values["cpu"]:
		return []string{name + " restarted"}
	}
	var list []string
	if n := b.Values["leader_changes"] - a.Values["leader_changes"]; n > 0 {
		list = append(list, name+" saw "+words.Plural(int(n), "change of leader", "changes of leader"))
	}
	switch was, is := a.Values["is_leader"], b.Values["is_leader"]; {
	case is > was:
		list = append(list, name+" became the leader")
	case b.Values["has_leader"] < a.Values["has_leader"]:
		list = append(list, name+" lost its leader")
	}
	return list
}

// movedValues returns the rates of counters, per second, and the values of gauges.
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

// joinColumns makes about that many columns of them. None is of two phases.
func joinColumns(seconds []column, most int) []column {
	return joinEach(seconds, (len(seconds)+most-1)/most)
}

// joinEach makes columns of that many seconds each. None is of two phases.
func joinEach(seconds []column, each int) []column {
	if each <= 1 {
		return seconds
	}
	var joined []column
	for from := 0; from < len(seconds); {
		to := from + 1
		for to < min(from+each, len(seconds)) && seconds[to].phase == seconds[from].phase {
			to++
		}
		joined = append(joined, joinSeconds(seconds[from:to]))
		from = to
	}
	return joined
}

// joinSeconds makes one column of consecutive seconds.
func joinSeconds(seconds []column) column {
	c := seconds[0]
	last := seconds[len(seconds)-1]
	c.length = last.start + last.length - c.start
	c.ops, c.all, c.server, c.happened = nil, nil, map[string]map[string]float64{}, nil
	for _, s := range seconds {
		c.ops, c.all = append(c.ops, s.ops...), append(c.all, s.all...)
		c.inFlight, c.queue = max(c.inFlight, s.inFlight), max(c.queue, s.queue)
		c.happened = append(c.happened, s.happened...)
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
	}
	return c
}

// addSums adds the operations of each column up.
func addSums(columns []column) error {
	for i := range columns {
		var err error
		if columns[i].sum, err = results.Sum(columns[i].length, columns[i].ops...); err != nil {
			return err
		}
	}
	return nil
}

// percentilePoint is one point of a percentile curve.
type percentilePoint struct {
	nines float64 // −log10(1−p): 0 at 0 %, 1 at 90 %, 2 at 99 % …
	ns    int64
}

// curve is the tail of a latency distribution, as far as it is resolved.
func curve(l results.Latency) []percentilePoint {
	var at, ps []float64
	for nines := 0.0; nines <= 6; nines += 0.05 {
		at, ps = append(at, nines), append(ps, 100*(1-math.Pow(10, -nines)))
	}
	var points []percentilePoint
	for i, q := range l.Percentiles(ps...) {
		if !q.Resolved {
			break
		}
		points = append(points, percentilePoint{at[i], int64(q.Time)})
	}
	return points
}
