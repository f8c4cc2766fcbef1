package report

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// writeText prints one screen per document, without colour and aligned.
func writeText(w io.Writer, docs []Document) error {
	for i, d := range docs {
		var b strings.Builder
		if i > 0 {
			b.WriteString("\n")
		}
		t := text{&b}
		t.what(d.Run)
		if i > 0 {
			t.differences(docs[0], d)
		}
		t.target(d.Target)
		t.operations(d.Run)
		t.histogram(d.Run)
		t.accounting(d.Run)
		t.events(d.Events)
		t.server(d.Server)
		t.slow(d.Slow)
		t.profiles(d)
		t.changes(d.Changes)
		t.proof(d.Proof)
		t.validity(d.Validity)
		t.warnings(d.Warnings)
		t.where(d)
		if _, err := io.WriteString(w, b.String()); err != nil {
			return err
		}
	}
	return nil
}

// differences says in what else than its figures a run differs from the first.
func (t text) differences(first, d Document) {
	list := results.Differences(first.Run, d.Run)
	for _, what := range list {
		t.line("  differs from the first run in %s", clean(what))
	}
	if len(list) > 0 {
		t.line("")
	}
}

type text struct{ *strings.Builder }

func (t text) line(format string, args ...any) {
	t.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// table aligns rows of tab-separated cells to the right, under an indent.
func (t text) table(rows []string) {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(tw, row+"\t")
	}
	_ = tw.Flush() // a strings.Builder does not fail
	for line := range strings.Lines(b.String()) {
		t.line("%s", strings.TrimRight(line, "\n"))
	}
}

func (t text) what(r *results.Run) {
	t.line("etcdbench %s: %s", clean(r.Plan.Workload), load(r.Plan))
	if r.Outcome != results.Completed {
		t.line("%s: %s", strings.ToUpper(clean(string(r.Outcome))), clean(r.Reason))
	}
	if r.Proof != nil && r.Proof.Verdict == results.Violated {
		t.line("PROOF VIOLATED: %s: what etcd acknowledged is not what it holds", plural(r.Proof.Found, "violation", "violations"))
	}
	t.line("")
}

func load(p results.Plan) string {
	parts := []string{plural(p.Clients, "client", "clients") + " on " + plural(p.Conns, "connection", "connections")}
	for _, ph := range p.Phases {
		part := clean(ph.Name)
		switch {
		case ph.Duration > 0:
			part += " " + ph.Duration.String()
		case ph.Total > 0:
			part += " " + plural(ph.Total, "operation", "operations")
		}
		switch l := ph.Load; {
		case ph.Warmup:
		case l.RateEnd > 0:
			part += fmt.Sprintf(" at %s to %s/s (open loop)", rate(l.Rate), rate(l.RateEnd))
		case l.Open() && l.Arrival == "poisson":
			part += fmt.Sprintf(" at %s/s, Poisson (open loop)", rate(l.Rate))
		case l.Open():
			part += fmt.Sprintf(" at %s/s (open loop)", rate(l.Rate))
		default:
			part += " (closed loop)"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

func (t text) target(g results.Target) {
	share := ""
	if g.Writes > 0 {
		share = fmt.Sprintf(", %.0f %% of target %s", 100*g.Achieved/g.Writes, rate(g.Writes))
	}
	switch g.Verdict {
	case results.TargetNone:
		return
	case results.TargetUndecided:
		t.line("%s writes/s%s: undecided (%s)", rate(g.Achieved), share, clean(g.Reason))
	default:
		t.line("%s writes/s%s: %s", rate(g.Achieved), share, clean(g.Verdict))
	}
	t.line("")
}

// shown are the phases that a report shows: the measured ones.
func shown(r *results.Run) map[string]bool {
	phases := map[string]bool{}
	for _, ph := range r.Plan.Phases {
		phases[ph.Name] = !ph.Warmup
	}
	return phases
}

// shownOperations are those of the measured phases; of several kinds, those that
// did not happen are left out.
func shownOperations(r *results.Run) []results.Operation {
	measured := shown(r)
	var all, happened []results.Operation
	for _, o := range r.Operations {
		if !measured[o.Phase] {
			continue
		}
		all = append(all, o)
		if o.Offered > 0 {
			happened = append(happened, o)
		}
	}
	if len(happened) == 0 {
		return all[:min(len(all), 1)]
	}
	return happened
}

// manyKinds is how many operations still get service and queue time of their own.
const manyKinds = 3

func (t text) operations(r *results.Run) {
	rows := []string{"operation\ttime\tops/s\tmean\tp50\tp90\tp99\tp99.9\tp99.99\tmax"}
	ops := shownOperations(r)
	done := map[string]bool{}
	for _, o := range ops {
		name := operationName(r, o)
		if o.Of != "" {
			if key := o.Phase + "\t" + o.Of; !done[key] {
				done[key] = true
				o.Op = o.Of
				rows = append(rows, strings.Join(append([]string{operationName(r, o), "signed", ""}, signedCells(ops, o)...), "\t"))
			}
			continue
		}
		rows = append(rows, strings.Join(append([]string{name, "response", rate(o.Throughput)}, responseCells(o)...), "\t"))
		if o.QueueTime.Max < int64(time.Microsecond) {
			continue // a closed loop: all of response time is service time
		}
		if len(ops) > manyKinds && o.QueueTime.Mean < o.ResponseTime.Mean/10 {
			continue // nearly all of it is
		}
		rows = append(rows,
			strings.Join(append([]string{"", "service", ""}, latencyCells(o.ServiceTime)...), "\t"),
			strings.Join(append([]string{"", "queue", ""}, latencyCells(o.QueueTime)...), "\t"))
	}
	if len(rows) == 1 {
		t.line("No operations were measured.\n")
		return
	}
	t.table(rows)
	if strings.Contains(strings.Join(rows, ""), "\t?") {
		t.line("  ?: fewer than ten samples lie beyond it")
	}
	if len(done) > 0 {
		t.line("  signed: negative where it came before what it is counted from")
	}
	t.line("")
}

// operationName has the phase before it when several were measured.
func operationName(r *results.Run, o results.Operation) string {
	measured := 0
	for _, is := range shown(r) {
		if is {
			measured++
		}
	}
	if measured > 1 {
		return clean(o.Phase) + " " + clean(o.Op)
	}
	return clean(o.Op)
}

// signedCells are those of a time that can be negative, from its two halves.
func signedCells(ops []results.Operation, of results.Operation) []string {
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
	cells := []string{duration(s.Mean())}
	for _, p := range []float64{50, 90, 99, 99.9, 99.99} {
		cell := "?"
		if s.Resolved(p) {
			cell = duration(s.Percentile(p))
		}
		cells = append(cells, cell)
	}
	return append(cells, duration(s.Max()))
}

// responseCells are mean, percentiles and maximum, as lower bounds where
// unfinished operations reach into them.
func responseCells(o results.Operation) []string {
	l := o.ResponseTime
	if l.Count == 0 && o.UnfinishedResponseTime.Count == 0 {
		return []string{"–", "–", "–", "–", "–", "–", "–"}
	}
	cells := []string{"–"}
	if l.Count > 0 {
		cells[0] = duration(l.Mean)
	}
	for _, p := range percentiles(l) {
		cells = append(cells, percentile(o, p.p, p.ns))
	}
	if longest := o.UnfinishedResponseTime.Max; longest > l.Max {
		return append(cells, "≥ "+duration(longest))
	}
	return append(cells, duration(l.Max))
}

func latencyCells(l results.Latency) []string {
	cells := []string{duration(l.Mean)}
	for _, p := range percentiles(l) {
		cell := "?"
		if l.Resolved(p.p) {
			cell = duration(p.ns)
		}
		cells = append(cells, cell)
	}
	return append(cells, duration(l.Max))
}

type quantile struct {
	p  float64
	ns int64
}

func percentiles(l results.Latency) []quantile {
	return []quantile{{50, l.P50}, {90, l.P90}, {99, l.P99}, {99.9, l.P999}, {99.99, l.P9999}}
}

// histogram draws the response times of all measured operations that were asked
// for.
func (t text) histogram(r *results.Run) {
	var all []results.Latency
	for _, o := range r.Operations {
		if shown(r)[o.Phase] && !o.Arrived {
			all = append(all, o.ResponseTime)
		}
	}
	merged, err := results.MergeLatency(all...)
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
	const width = 40
	rows := make([]string, 0, len(bars))
	for _, b := range bars {
		length := int(b.count * width / most)
		bar := strings.Repeat("█", length)
		if length == 0 && b.count > 0 {
			bar = "▏"
		}
		rows = append(rows, fmt.Sprintf("%14s  %-40s %s", "≤ "+duration(b.to), bar, share(b.count, merged.Count)))
	}
	t.line("  response time")
	for _, row := range rows {
		t.line("%s", row)
	}
	t.line("")
}

func share(part, whole int64) string {
	p := 100 * float64(part) / float64(whole)
	if p > 0 && p < 0.01 {
		return "< 0.01 %"
	}
	return fmt.Sprintf("%.2f %%", p)
}

// accounting says what became of all operations: in a sentence for one kind, in a
// table for several.
func (t text) accounting(r *results.Run) {
	ops := shownOperations(r)
	rows := []string{"operation\toffered\tcompleted\tfailed\tdropped\tunfinished"}
	for _, o := range ops {
		if len(ops) == 1 {
			t.line("  offered %s = completed %s + failed %s + dropped %s + unfinished %s",
				count(o.Offered), count(o.Completed), count(o.Failed), count(o.Dropped), count(o.Unfinished))
		}
		if o.Of == "" {
			rows = append(rows, strings.Join([]string{operationName(r, o), count(o.Offered), count(o.Completed), count(o.Failed), count(o.Dropped), count(o.Unfinished)}, "\t"))
		}
	}
	if len(ops) > 1 {
		t.table(rows)
	}
	errors := 0
	for _, o := range ops {
		prefix := ""
		if len(ops) > 1 {
			prefix = operationName(r, o) + ": "
		}
		t.counts(prefix, o)
		if o.Overflow > 0 {
			t.line("  %s%s took longer than the histograms' 10 min", prefix, plural(o.Overflow, "operation", "operations"))
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
	t.line("  validity: %s", clean(v.Verdict))
	for _, r := range v.Reasons {
		t.line("    %s: %s", clean(r.Code), clean(r.Message))
		if r.Remedy != "" {
			t.line("      → %s", clean(r.Remedy))
		}
	}
	if lag := v.Generator.SendLag; lag.Count > 0 {
		t.line("    send lag p50 %s, p99 %s, max %s", duration(lag.P50), duration(lag.P99), duration(lag.Max))
	}
}

func (t text) warnings(ws []results.Warning) {
	for _, w := range ws {
		t.line("  warning: %s: %s", clean(w.Code), clean(w.Message))
	}
}

// where says which cluster, which machine and which files.
func (t text) where(d Document) {
	t.line("")
	t.line("  cluster  %s", describeCluster(d.Cluster, d.Environment.Disk))
	t.line("  machine  %s", describeMachine(d.Environment))
	if d.Label != "" {
		t.line("  label    %s", clean(d.Label))
	}
	if d.Path != "" {
		t.line("  result   %s", clean(d.Path))
	}
}

func describeCluster(c results.Cluster, disk *results.Disk) string {
	if len(c.Members) == 0 {
		return "none"
	}
	n := len(c.Members)
	var parts []string
	switch c.Kind {
	case "process":
		parts = append(parts, plural(n, "member process", "member processes"))
	case "in-process":
		parts = append(parts, plural(n, "member", "members")+" inside the generator's process")
	default:
		parts = append(parts, plural(n, "remote member", "remote members"))
	}
	parts = append(parts, "etcd "+clean(c.Version))
	if c.TLS {
		parts = append(parts, "TLS")
	}
	if c.Settings["unsafe-no-fsync"] == "true" {
		parts = append(parts, "WITHOUT FSYNC")
	}
	if rtt := c.Settings["network:rtt"]; rtt != "" && rtt != "0s" {
		parts = append(parts, "round trips of "+clean(rtt)+" made between members")
	}
	if zones := c.Settings["network:zone-rtts"]; zones != "" {
		parts = append(parts, "between zones "+clean(zones))
	}
	if disk != nil {
		fs := clean(disk.FileSystem)
		if disk.Memory {
			fs += " (in memory: fsync costs nothing)"
		}
		parts = append(parts, fmt.Sprintf("data on %s with fdatasync p50 %s and p99 %s", fs, duration(int64(disk.SyncP50)), duration(int64(disk.SyncP99))))
	}
	return strings.Join(parts, ", ")
}

func describeMachine(e results.Environment) string {
	if e.CPUs == 0 {
		return "unknown"
	}
	cpus := plural(e.CPUs, "CPU", "CPUs")
	if e.CPUModel != "" {
		cpus += " " + clean(e.CPUModel)
	}
	if e.CPULimit > 0 {
		cpus += fmt.Sprintf(" (limited to %.4g)", e.CPULimit)
	}
	parts := []string{cpus}
	if e.Memory > 0 {
		parts = append(parts, humanize.IBytes(e.Memory))
	}
	system := clean(e.OS)
	if e.Kernel != "" {
		system += " " + clean(e.Kernel)
	}
	return strings.Join(append(parts, system, clean(e.Go)), ", ")
}
