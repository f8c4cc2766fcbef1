package content

import (
	"fmt"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// Load describes the load of a plan: clients, connections and phases.
func Load(p results.Plan) string {
	parts := []string{
		words.Plural(p.Clients, "client", "clients") + " on " + words.Plural(p.Conns, "connection", "connections"),
		"transport " + words.Clean(p.TransportUsed()),
	}
	for _, ph := range p.Phases {
		part := words.Clean(ph.Name)
		switch {
		case ph.Duration > 0:
			part += " " + ph.Duration.String()
		case ph.Total > 0:
			part += " " + words.Plural(ph.Total, "operation", "operations")
		}
		switch l := ph.Load; {
		case ph.Warmup:
		case l.RateEnd > 0:
			part += fmt.Sprintf(" at %s to %s/s (open loop)", words.Rate(l.Rate), words.Rate(l.RateEnd))
		case l.Open() && l.Arrival == "poisson":
			part += fmt.Sprintf(" at %s/s, Poisson (open loop)", words.Rate(l.Rate))
		case l.Open():
			part += fmt.Sprintf(" at %s/s (open loop)", words.Rate(l.Rate))
		default:
			part += " (closed loop)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// MeasuredPhases reports for each phase of the plan whether it is measured.
// Reports show measured phases only.
func MeasuredPhases(r *results.Run) map[string]bool {
	phases := map[string]bool{}
	for _, ph := range r.Plan.Phases {
		phases[ph.Name] = !ph.Warmup
	}
	return phases
}

// maxOperations is how many operations a report shows, which bounds its size and the time
// that it takes.
const maxOperations = 1_000

// Operations returns the operations that a report shows: those of the measured
// phases that were offered, at most the first 1,000. If none was offered, it returns the
// first that could have been.
func Operations(r *results.Run) []results.Operation {
	shown, _ := shownOperations(r)
	return shown
}

// OmittedOperations returns how many operations a report omits because they are too many.
func OmittedOperations(r *results.Run) int {
	_, omitted := shownOperations(r)
	return omitted
}

// OmittedLine says how many operations a report omits, and where they are. It is empty where
// the report shows all.
func OmittedLine(r *results.Run) string {
	if n := OmittedOperations(r); n > 0 {
		return words.Plural(n, "more operation is", "more operations are") + " in the result document only"
	}
	return ""
}

func shownOperations(r *results.Run) (shown []results.Operation, omitted int) {
	measured := MeasuredPhases(r)
	var first []results.Operation // that could have been offered
	for i := range r.Operations {
		switch o := &r.Operations[i]; {
		case !measured[o.Phase]:
		case o.Offered+o.Inherited == 0:
			if first == nil {
				first = []results.Operation{*o}
			}
		case len(shown) < maxOperations:
			shown = append(shown, *o)
		default:
			omitted++
		}
	}
	if len(shown) == 0 {
		return first, 0
	}
	if n := len(shown); omitted > 0 && n > 1 && shown[n-1].Of != "" && shown[n-1].Of != shown[n-2].Of {
		return shown[:n-1], omitted + 1 // without its other half, it would be wrong
	}
	return shown, omitted
}

// OperationName returns the name of an operation, after the name of its phase
// where several phases are measured.
func OperationName(r *results.Run, o results.Operation) string {
	measured := 0
	for _, is := range MeasuredPhases(r) {
		if is {
			measured++
		}
	}
	if measured > 1 {
		return words.Clean(o.Phase) + " " + words.Clean(o.Op)
	}
	return words.Clean(o.Op)
}

// SignedCells returns mean, percentiles and maximum of a time that can be
// negative. ops has its two halves, and of names it.
func SignedCells(ops []results.Operation, of results.Operation) []string {
	var before, after results.Latency
	for _, o := range ops {
		switch {
		case o.Phase != of.Phase || o.Of != of.Of:
		case o.Sign < 0:
			before = o.ResponseTime
		default:
			after = o.ResponseTime
		}
	}
	s, err := results.NewSigned(before, after)
	if err != nil || s.Count() == 0 {
		return []string{"–", "–", "–", "–", "–", "–", "–"}
	}
	cells := []string{words.Duration(s.Mean())}
	for _, p := range Percentiles() {
		cells = append(cells, PercentileCell(s.Percentile(p)))
	}
	return append(cells, words.Duration(s.Max()))
}

// ResponseCells returns mean, percentiles and maximum of the response time. They
// are lower bounds where unfinished operations reach into them.
func ResponseCells(o results.Operation) []string {
	return latencyCells(o.ResponseTime, o.Percentiles(Percentiles()...), o.UnfinishedResponseTime.Count > 0)
}

// LatencyCells returns mean, percentiles and maximum of a latency.
func LatencyCells(l results.Latency) []string {
	return latencyCells(l, l.Percentiles(Percentiles()...), false)
}

func latencyCells(l results.Latency, percentiles []results.Percentile, atLeast bool) []string {
	if l.Count == 0 {
		return []string{"–", "–", "–", "–", "–", "–", "–"}
	}
	cells := []string{AtLeast(words.Duration(l.Mean), atLeast)}
	for _, q := range percentiles {
		cells = append(cells, PercentileCell(q))
	}
	return append(cells, AtLeast(words.Duration(l.Max), atLeast))
}

// Percentiles returns the percentiles that every report shows.
func Percentiles() []float64 { return []float64{50, 90, 99, 99.9, 99.99} }

// PercentileCell prints a percentile: a question mark where too few samples lie beyond
// it.
func PercentileCell(q results.Percentile) string {
	if !q.Resolved {
		return "?"
	}
	return AtLeast(words.Duration(int64(q.Time)), q.AtLeast)
}

// AtLeast marks a printed value that is a lower bound.
func AtLeast(text string, is bool) string {
	if is {
		return "≥ " + text
	}
	return text
}

// Outcomes returns the outcomes of an operation in one line, for formats that allow remarks.
func Outcomes(o results.Operation) string {
	text := fmt.Sprintf("offered %d, completed %d, failed %d, dropped %d, unfinished %d, throughput %g/s, error rate %g",
		o.Offered, o.Completed, o.Failed, o.Dropped, o.Unfinished, o.Throughput, o.ErrorRate())
	if n := o.UnfinishedResponseTime.Count; n > 0 {
		text += fmt.Sprintf("; %d of %d response times are lower bounds, from %d ns on", n, o.ResponseTime.Count, o.UnfinishedResponseTime.Min)
	}
	return text
}

// ErrorRate prints the share of an operation that failed, was dropped or did not finish.
func ErrorRate(o results.Operation) string {
	if o.Ended() == 0 {
		return "–"
	}
	return words.Percent(o.ErrorRate())
}

// Counts returns the additional counts of the workload, as shares of the operation's outcomes,
// or "" if there are none.
func Counts(o results.Operation) string {
	var parts []string
	for _, c := range o.Counts {
		if c.Count == 0 || c.Of == "" && c.Count == o.Completed {
			continue
		}
		part := words.Clean(c.Name) + " " + words.Count(c.Count)
		whole, of := o.Completed, ""
		if c.Of != "" {
			of = " of " + words.Clean(c.Of)
			for _, other := range o.Counts {
				if other.Name == c.Of {
					whole = other.Count
				}
			}
		}
		switch {
		case whole == 0:
		case of != "":
			part += fmt.Sprintf(" (%s%s)", words.Share(int64(c.Count), int64(whole)), of)
		case c.Count < whole:
			part += fmt.Sprintf(" (%s of completed)", words.Share(int64(c.Count), int64(whole)))
		default:
			each := float64(c.Count) / float64(whole)
			part += fmt.Sprintf(" (%s for each completed, %s/s)", words.Rate(each), words.Rate(each*o.Throughput))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// Slowness compares the response times of a slow stretch with those of the rest of the run. A
// p99 of too few samples is described in words. A p99 of 0 means that there is no p99.
func Slowness(s results.Slow) string {
	text := "p99 " + words.DurationOrUnknown(s.P99)
	switch {
	case s.P99 == 0:
		text = "no response times"
	case s.FewSamples:
		text = fmt.Sprintf("1 operation in 100 took %s or more", words.Duration(s.P99))
	}
	switch {
	case s.Usual == 0:
		return text
	case s.P99 == 0:
		return text + ", p99 usually " + words.Duration(s.Usual)
	}
	return text + ", usually " + words.Duration(s.Usual)
}

// CostCell prints a figure of costs with its unit.
func CostCell(f results.CostFigure, v float64) string {
	switch f.Unit {
	case "ns":
		return words.Duration(int64(v))
	case "bytes":
		return words.Bytes(v)
	}
	return words.Rate(v)
}

// BacklogLines returns a line for each measured phase of an open loop that did not keep up
// with its arrivals: the offered and acknowledged operations and the backlog.
func BacklogLines(r *results.Run) (lines []string) {
	begin, end := map[string]int64{}, map[string]int64{} // the backlog at the begin and the end of a phase
	for i, ph := range r.Phases {
		begin[ph.Name] = ph.Backlog
		if i > 0 {
			end[r.Phases[i-1].Name] = ph.Backlog
		}
	}
	sums := r.CountByPhase(func(o *results.Operation) bool { return !o.Arrived })
	for _, planned := range r.Plan.Phases {
		if planned.Warmup || !planned.Load.Open() {
			continue
		}
		sum := sums[planned.Name]
		seconds := r.Length(func(phase string) bool { return phase == planned.Name }).Seconds()
		if seconds <= 0 || !keepsBehind(sum) {
			continue
		}
		lines = append(lines, fmt.Sprintf(
			"offered load in %s: %s/s, acknowledged %s/s, within the timeout %s/s; backlog %s at the beginning, %s at the end",
			words.Clean(planned.Name), words.Rate(float64(sum.Offered)/seconds), words.Rate(sum.Throughput), words.Rate(sum.Goodput()),
			words.Count(max(0, begin[planned.Name])), words.Count(max(0, end[planned.Name]))))
	}
	return lines
}

// keepsBehind reports whether less was acknowledged than arrived, or some too late.
func keepsBehind(o results.Operation) bool {
	const keptUp = 0.99
	return float64(o.Acknowledged()) < keptUp*float64(o.Offered) || o.Overdue > 0
}

// Outcome returns how a run ended, in capitals, with the reason if there is one.
func Outcome(r *results.Run) string {
	outcome := words.Clean(string(r.Outcome))
	if r.Reason == "" || r.Reason == string(r.Outcome) {
		return strings.ToUpper(outcome)
	}
	return strings.ToUpper(outcome) + ": " + words.Clean(r.Reason)
}
