package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// writeText prints one screen per document.
func writeText(w io.Writer, docs []Document) error {
	for i, d := range docs {
		var b strings.Builder
		if i > 0 {
			b.WriteString("\n")
		}
		t := newText(w, &b)
		t.load(d.Run)
		if i > 0 {
			t.differences(docs[0], d)
		}
		t.target(d.Target)
		t.thresholds(d)
		t.operations(d.Run)
		t.histogram(d.Run)
		t.accounting(d.Run)
		t.events(d.Run)
		t.server(d.Server)
		t.availability(d.Availability)
		t.slow(d.Slow)
		t.profiles(d)
		t.changes(d.Changes)
		t.proof(d.Proof)
		t.validity(d.Validity)
		t.agents(d.Run)
		t.warnings(d.Warnings)
		t.places(d)
		if err := t.flush(w); err != nil {
			return err
		}
	}
	return nil
}

// differences lists the differences of a run from the first one other than figures.
func (t text) differences(first, d Document) {
	list := judge.Differences(first.Run, d.Run)
	for _, what := range list {
		t.line("  differs from the first run in %s", words.Clean(what))
	}
	if len(list) > 0 {
		t.line("")
	}
}

// text is a report for people that is being written.
type text struct {
	*strings.Builder
	screen Screen
	// terminal means that the report goes to a terminal, where verdicts have marks.
	terminal bool
}

// newText returns an empty report that fits the screen w, if it is one.
func newText(w io.Writer, b *strings.Builder) text {
	s, terminal := screenOf(w)
	return text{b, s, terminal}
}

// flush writes the report to w.
func (t text) flush(w io.Writer) error {
	if t.screen.Columns <= 0 {
		_, err := io.WriteString(w, t.String())
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(t.String()) {
		b.WriteString(t.screen.wrap(strings.TrimSuffix(line, "\n")) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t text) line(format string, args ...any) {
	t.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// table aligns rows of tab-separated cells to the right. It omits columns for which the screen
// has no room, with a note.
func (t text) table(rows []string) {
	lines, left := t.align(rows, 0)
	for _, line := range lines {
		t.line("%s", line)
	}
	t.leftOut(left)
}

// align returns the lines of a table that leaves the reserve free, and the names of the
// columns that were left out.
func (t text) align(rows []string, reserve int) (lines, left []string) {
	cells := make([][]string, 0, len(rows))
	for _, row := range rows {
		cells = append(cells, strings.Split(row, "\t"))
	}
	left = t.screen.fit(cells, reserve)
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range cells {
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	_ = tw.Flush() // a strings.Builder does not fail
	for line := range strings.Lines(b.String()) {
		lines = append(lines, strings.TrimRight(line, " \n"))
	}
	return lines, left
}

// leftOut names the columns that a table on this screen lacks.
func (t text) leftOut(columns []string) {
	if len(columns) > 0 {
		t.line("  omitted in %d columns: %s", t.screen.Columns, strings.Join(columns, ", "))
	}
}

func (t text) load(r *results.Run) {
	t.line("etcdbench %s: %s", words.Clean(r.Plan.Workload), content.Load(r.Plan))
	if r.Outcome != results.Completed {
		t.line("%s", t.mark(content.Outcome(r)))
	}
	if r.Proof != nil && r.Proof.Verdict == results.Violated {
		t.line("%s: %s: the cluster does not hold every acknowledged write", t.alarm("PROOF VIOLATED"),
			words.Plural(r.Proof.Found, "violation", "violations"))
	}
	t.line("")
}

func (t text) target(g results.Target) {
	share := ""
	if g.Writes > 0 {
		share = fmt.Sprintf(", %.0f %% of target %s", 100*g.Achieved/g.Writes, words.Rate(g.Writes))
	}
	switch g.Verdict {
	case results.TargetNone:
		return
	case results.TargetUndecided:
		t.line("%s writes/s%s: %s (%s)", words.Rate(g.Achieved), share, t.mark("undecided"), words.Clean(g.Reason))
	default:
		t.line("%s writes/s%s: %s", words.Rate(g.Achieved), share, t.mark(words.Clean(g.Verdict)))
	}
	t.line("")
}

// thresholds prints the verdict on the thresholds of the run's plan, if there are any.
func (t text) thresholds(d Document) {
	v, err := content.Thresholds(d)
	switch {
	case err != nil:
		t.line("thresholds: %s: %s", t.mark(results.Inconclusive), words.Clean(err.Error()))
	case v != nil:
		t.line("thresholds: %s: %s", t.mark(words.Clean(v.Verdict)), strings.TrimPrefix(words.Clean(v.Reason), v.Verdict+": "))
	default:
		return
	}
	t.line("")
}

// manyKinds is how many operations still get service and queue time of their own.
const manyKinds = 3

func (t text) operations(r *results.Run) {
	rows := []string{"operation\ttime\tops/s\tmean\tp50\tp90\tp99\tp99.9\tp99.99\tmax"}
	ops := content.Operations(r)
	done := map[string]bool{}
	for _, o := range ops {
		name := content.OperationName(r, o)
		if o.Of != "" {
			if key := o.Phase + "\t" + o.Of; !done[key] {
				done[key] = true
				o.Op = o.Of
				rows = append(rows, strings.Join(append([]string{content.OperationName(r, o), "signed", ""}, content.SignedCells(ops, o)...), "\t"))
			}
			continue
		}
		rows = append(rows, strings.Join(append([]string{name, "response", words.Rate(o.Throughput)}, content.ResponseCells(o)...), "\t"))
		if o.QueueTime.Max < int64(time.Microsecond) {
			continue // a closed loop: all of response time is service time
		}
		if len(ops) > manyKinds && o.QueueTime.Mean < o.ResponseTime.Mean/10 {
			continue // nearly all of it is
		}
		rows = append(rows,
			strings.Join(append([]string{"", "service", ""}, content.LatencyCells(o.ServiceTime)...), "\t"),
			strings.Join(append([]string{"", "queue", ""}, content.LatencyCells(o.QueueTime)...), "\t"))
	}
	if len(rows) == 1 {
		t.line("No operations were measured.\n")
		return
	}
	t.table(rows)
	all := strings.Join(rows, "")
	if strings.Contains(all, "\t?") {
		t.line("  ?: fewer than ten samples lie beyond it")
	}
	if strings.Contains(all, "\t≥") {
		t.line("  ≥: a lower bound, because some of these operations did not finish")
	}
	if len(done) > 0 {
		t.line("  signed: a negative time is before the moment that it counts from")
	}
	t.line("")
}

// histogram draws the response times of all measured operations that were asked
// for.
func (t text) histogram(r *results.Run) {
	sum, err := r.Measured("")
	merged := sum.ResponseTime
	if err != nil || merged.Count == 0 {
		return
	}
	h, err := merged.Histogram()
	if err != nil {
		return
	}
	bars := coarse(h.Distribution())
	most := int64(0)
	for _, b := range bars {
		most = max(most, b.count)
	}
	width := int64(40)
	if c := t.screen.Columns; c > 0 {
		width = int64(min(40, max(8, c-27)))
	}
	rows := make([]string, 0, len(bars))
	for _, b := range bars {
		length := int(b.count * width / most)
		bar := strings.Repeat("█", length)
		if length == 0 && b.count > 0 {
			bar = "▏"
		}
		share := "0 %"
		if b.count > 0 {
			share = words.Share(b.count, merged.Count)
		}
		rows = append(rows, fmt.Sprintf("%14s  %-*s %s", "≤ "+words.Duration(b.to), width, bar, share))
	}
	unfinished := ""
	if n := sum.UnfinishedResponseTime.Count; n > 0 {
		unfinished = fmt.Sprintf(", with %s as lower bounds", words.Plural(n, "unfinished operation", "unfinished operations"))
	}
	t.line("  response time%s", unfinished)
	for _, row := range rows {
		t.line("%s", row)
	}
	t.line("")
}

// accounting prints the outcomes of all operations: in a sentence for one kind, in a
// table for several.
func (t text) accounting(r *results.Run) {
	ops := content.Operations(r)
	rows := []string{"operation\toffered\tcompleted\tfailed\tdropped\tunfinished\terror rate"}
	for _, o := range ops {
		if len(ops) == 1 {
			t.line("  offered %s = completed %s + failed %s + dropped %s + unfinished %s; error rate %s",
				words.Count(o.Offered), words.Count(o.Completed), words.Count(o.Failed), words.Count(o.Dropped), words.Count(o.Unfinished),
				content.ErrorRate(o))
		}
		if o.Of == "" {
			cells := []string{content.OperationName(r, o)}
			for _, n := range []uint64{o.Offered, o.Completed, o.Failed, o.Dropped, o.Unfinished} {
				cells = append(cells, words.Count(n))
			}
			rows = append(rows, strings.Join(append(cells, content.ErrorRate(o)), "\t"))
		}
	}
	if len(ops) > 1 {
		t.table(rows)
	}
	if line := content.OmittedLine(r); line != "" {
		t.line("  … %s", line)
	}
	for _, line := range content.BacklogLines(r) {
		t.line("  %s", line)
	}
	errors := 0
	for _, o := range ops {
		prefix := ""
		if len(ops) > 1 {
			prefix = content.OperationName(r, o) + ": "
		}
		t.counts(prefix, o)
		if o.Overflow > 0 {
			t.line("  %s%s took longer than the histograms' 10 min", prefix, words.Plural(o.Overflow, "operation", "operations"))
		}
		errors += len(o.Errors)
		t.errors(prefix, o.Errors)
	}
	if errors == 0 && len(ops) > 0 {
		t.line("  no errors")
	}
}

func (t text) validity(v results.Validity) {
	if v.Verdict == "" {
		t.line("  validity: not judged")
		return
	}
	t.line("  validity: %s", t.mark(words.Clean(v.Verdict)))
	for _, r := range v.Reasons {
		t.line("    %s: %s", words.Clean(r.Code), words.Clean(r.Message))
		if r.Remedy != "" {
			t.line("      → %s", words.Clean(r.Remedy))
		}
	}
	if lag := v.Generator.SendLag; lag.Count > 0 {
		t.line("    send lag p50 %s, p99 %s, max %s",
			content.PercentileCell(lag.Percentile(50)), content.PercentileCell(lag.Percentile(99)), words.Duration(lag.Max))
	}
}

// agents is the table of the processes that generated the load.
func (t text) agents(r *results.Run) {
	rows, left := content.AgentRows(r)
	if len(rows) == 0 {
		return
	}
	t.line("  agents:")
	t.tableWithWords(content.AgentHead(), rows)
	if left > 0 {
		t.line("    and %d other agents", left)
	}
}

func (t text) warnings(ws []results.Warning) {
	for _, w := range ws {
		t.line("  warning: %s: %s", words.Clean(w.Code), words.Clean(w.Message))
	}
}

// places prints the cluster, the machine and the files.
func (t text) places(d Document) {
	t.line("")
	t.line("  cluster  %s", content.DescribeCluster(d.Cluster, d.Environment.Disk))
	t.line("  machine  %s", content.DescribeMachine(d.Environment))
	if d.Label != "" {
		t.line("  label    %s", words.Clean(d.Label))
	}
	if d.Path != "" {
		t.line("  result   %s", words.Clean(d.Path))
	}
}
