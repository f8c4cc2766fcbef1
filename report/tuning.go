package report

import (
	"fmt"
	"html"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

func tuningSubject(t *results.Tuning) string {
	if t.Dimension != results.DimensionPair {
		return clean(t.Dimension)
	}
	subject := "heartbeat interval and election timeout"
	switch {
	case t.RTTMeasured && t.RTT > 0:
		subject += fmt.Sprintf(", with round trips of %s at most between members", duration(int64(t.RTT)))
	case t.RTT > 0:
		subject += fmt.Sprintf(", for round trips of %s between members", duration(int64(t.RTT)))
	}
	return subject
}

func tuningAnswer(t *results.Tuning) string {
	if t.Recommended == "" {
		return "nothing to recommend"
	}
	return "recommended: " + clean(t.Recommended)
}

// tuningReasons are what speaks for the recommendation, and against others.
func tuningReasons(t *results.Tuning) (lines []string) {
	for _, reason := range t.Reasons {
		lines = append(lines, clean(reason))
	}
	if t.Compared != nil {
		lines = append(lines, clean(t.Compared.Text))
	}
	if rules := t.Rules(); rules != "" {
		lines = append(lines, rules)
	}
	return lines
}

// settingsAs are the recommended settings as flags, as environment and as YAML.
func settingsAs(settings []results.Setting) [][2]string {
	var flags, env, yaml []string
	for _, s := range settings {
		name, value := clean(s.Name), clean(s.Value)
		flags = append(flags, "--"+name+"="+value)
		env = append(env, "ETCD_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
		yaml = append(yaml, name+": "+value)
	}
	return [][2]string{{"flags", strings.Join(flags, " ")}, {"environment", strings.Join(env, " ")}, {"YAML", strings.Join(yaml, "\n")}}
}

// tuningRows has a row for each choice that was tried.
func tuningRows(t *results.Tuning) (head []string, rows [][]string) {
	head = []string{"tried", "p50", "p99", "elections", "an hour ≤", "late heartbeats", "failover", "idle CPU", "idle peers", "CPU/op", ""}
	for _, x := range t.Tried {
		failover, elections, hourly, late := "–", "–", "–", "–"
		if t.Failover {
			failover = failoverText(x)
		}
		if x.Steady > 0 {
			late = rate(x.HeartbeatFailures)
			elections, hourly = fmt.Sprintf("%.0f in %s", x.Elections, x.Steady.Round(time.Second)), rate(x.ElectionsPerHour)
		}
		rows = append(rows, []string{
			triedName(x), drawn(int64(x.P50)), drawn(int64(x.P99)), elections, hourly, late, failover,
			figureOf(x, "idle_cpu", func(v float64) string { return fmt.Sprintf("%.1f %%", 100*v) }), figureOf(x, "idle_peer_bytes", func(v float64) string { return bytesPerOperation(v) + "/s" }),
			figureOf(x, "cpu", func(v float64) string { return duration(int64(v)) }), tuningWords(t, x),
		})
	}
	return head, rows
}

// failoverText is the median unavailability without the leader, and the longest.
func failoverText(x results.Tried) string {
	text := drawn(int64(x.Failover))
	if x.FailoverP99 > x.Failover {
		text += "–" + duration(int64(x.FailoverP99))
	}
	return text
}

func triedName(x results.Tried) string {
	if x.Default {
		return clean(x.Name) + " (default)"
	}
	return clean(x.Name)
}

// faultRows has, for each choice, how long each kind of fault kept the rate away.
func faultRows(t *results.Tuning) (head []string, rows [][]string) {
	head = []string{"tried"}
	var faults []string
	for _, x := range t.Tried {
		for _, f := range x.Faults {
			if !slices.Contains(faults, f.Fault) {
				faults = append(faults, f.Fault)
			}
		}
	}
	slices.Sort(faults)
	for _, f := range faults {
		head = append(head, clean(f))
	}
	for _, x := range t.Tried {
		row := []string{triedName(x)}
		for _, name := range faults {
			row = append(row, faultCell(x, name))
		}
		rows = append(rows, row)
	}
	return head, rows
}

func faultCell(x results.Tried, fault string) string {
	for _, f := range x.Faults {
		if f.Fault != fault {
			continue
		}
		text := drawn(int64(f.P50))
		if f.P50 == 0 {
			text = "none"
		}
		if f.P99 > f.P50 {
			text += "–" + duration(int64(f.P99))
		}
		if f.Open > 0 {
			text = "≥ " + text
		}
		return text
	}
	return "?"
}

func figureOf(x results.Tried, name string, print func(v float64) string) string {
	v, ok := x.Figures[name]
	if !ok {
		return "?"
	}
	return print(v)
}

func tuningWords(t *results.Tuning, x results.Tried) string {
	var words []string
	if x.Name == t.Recommended {
		words = append(words, "recommended")
	}
	if x.Pareto {
		words = append(words, "Pareto")
	}
	if x.Finding != "" {
		words = append(words, clean(x.Finding))
	}
	return strings.Join(words, ", ")
}

func writeTuningText(w io.Writer, t *results.Tuning) error {
	var b strings.Builder
	p := text{&b}
	p.line("tuning %s: %s at %s/s", tuningSubject(t), clean(t.Workload), rate(t.Rate))
	p.line("  %s", tuningAnswer(t))
	for _, line := range tuningReasons(t) {
		p.line("    %s", line)
	}
	if len(t.Settings) > 0 {
		p.line("")
		for _, as := range settingsAs(t.Settings) {
			p.line("  %-11s  %s", as[0], strings.ReplaceAll(as[1], "\n", "\n               "))
		}
	}
	p.line("")
	head, rows := tuningRows(t)
	p.tableWithWords(head, rows)
	if head, rows := faultRows(t); len(head) > 1 {
		p.line("  unavailability, from when the first arrival was due that failed or came late until the rate was back: median–longest")
		p.tableWithWords(append(head, ""), appendColumn(rows, ""))
	}
	p.line("  cluster  %s", describeCluster(t.Cluster, t.Environment.Disk))
	p.line("  machine  %s", describeMachine(t.Environment))
	_, err := io.WriteString(w, b.String())
	return err
}

// tableWithWords aligns all columns to the right but the last, which is words.
func (t text) tableWithWords(head []string, rows [][]string) {
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("  ", lines, head[len(head)-1], rows)
	t.line("")
}

func appendColumn(rows [][]string, value string) (wider [][]string) {
	for _, row := range rows {
		wider = append(wider, append(slices.Clone(row), value))
	}
	return wider
}

func writeTuningHTML(w io.Writer, t *results.Tuning) error {
	s := section{Title: "Tuning: " + tuningAnswer(t), Lead: tuningSubject(t) + "; " + clean(t.Workload) + " at " + rate(t.Rate) + "/s"}
	s.Table = table{Words: true}
	if len(t.Settings) > 0 {
		for _, as := range settingsAs(t.Settings) {
			s.Table.Rows = append(s.Table.Rows, []string{as[0], strings.ReplaceAll(as[1], "\n", "; ")})
		}
	}
	for _, line := range tuningReasons(t) {
		s.Table.Rows = append(s.Table.Rows, []string{"why", line})
	}
	if t.Dimension == results.DimensionPair {
		s.Figures = pairMaps(t)
	}
	head, rows := tuningRows(t)
	s.Tables = append(s.Tables, table{Title: "What was tried", Head: head, Rows: rows})
	if head, rows := faultRows(t); len(head) > 1 {
		s.Tables = append(s.Tables, table{Title: "Unavailability after a fault: median–longest", Head: head, Rows: rows})
	}
	if t.Compared != nil {
		s.Tables = append(s.Tables, comparedTable(t.Compared))
	}
	s.Tables = append(s.Tables, table{Title: "Where", Words: true, Rows: [][]string{
		{"cluster", describeCluster(t.Cluster, t.Environment.Disk)}, {"machine", describeMachine(t.Environment)}, {"tuning", clean(t.ID)},
	}})
	return page{Title: "etcdbench tune " + clean(t.Workload), Sections: []section{s}}.write(w, nil)
}

func comparedTable(c *results.TuningComparison) table {
	t := table{Title: fmt.Sprintf("Recommended against the defaults, in %s of two runs", plural(c.Rounds, "round", "rounds")), Head: []string{"metric", "defaults", "recommended", "worse by"}}
	for _, m := range c.Metrics {
		if m.Verdict != results.NotMeasured {
			t.Rows = append(t.Rows, []string{clean(m.Name), metricValue(m, m.Baseline), metricValue(m, m.Candidate), fmt.Sprintf("%+.1f %%", 100*m.Estimate)})
		}
	}
	return t
}

// pairMaps are heat maps of what was tried, by heartbeat interval and election timeout.
func pairMaps(t *results.Tuning) (figures []figure) {
	type measure struct {
		title, caption string
		value          func(x results.Tried) float64
		print          func(x results.Tried) string
	}
	for _, m := range []measure{
		{"p99 in steady state", "Response times under load, before any fault.", func(x results.Tried) float64 { return x.P99 }, func(x results.Tried) string { return drawn(int64(x.P99)) }},
		{"Elections an hour, at most", "The 95 % upper bound of elections that nobody asked for: short stretches leave it high even where there was none.", func(x results.Tried) float64 { return x.ElectionsPerHour }, func(x results.Tried) string { return rate(x.ElectionsPerHour) }},
		{"Failover", "Unavailability after the leader was killed, paused or cut off: the median, which shades, and the p99 (of few, the longest).", func(x results.Tried) float64 { return x.Failover }, failoverText},
	} {
		if f, ok := pairMap(t, m.title, m.caption, m.value, m.print); ok {
			figures = append(figures, f)
		}
	}
	return figures
}

// pairMap draws one measure: a cell for each pair, the darker the more. What could not
// be measured is crossed out.
func pairMap(t *results.Tuning, title, caption string, value func(x results.Tried) float64, print func(x results.Tried) string) (figure, bool) {
	var heartbeats, elections []time.Duration
	low, high := math.Inf(1), 0.0
	for _, x := range t.Tried {
		heartbeats, elections = append(heartbeats, x.Heartbeat), append(elections, x.Election)
		if v := value(x); v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 || len(t.Tried) < 2 {
		return figure{}, false
	}
	slices.Sort(heartbeats)
	slices.Sort(elections)
	heartbeats, elections = slices.Compact(heartbeats), slices.Compact(elections)
	tab := table{Head: []string{"pair", title}}
	const cellHeight = 44
	width := min(160, (chartWidth-marginLeft-marginRight)/float64(len(elections)))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %d %d" role="img" aria-label="%s" tabindex="0">`, chartWidth, marginTop+cellHeight*len(heartbeats)+marginFoot, html.EscapeString(title+" by heartbeat interval and election timeout"))
	for i, e := range elections {
		fmt.Fprintf(&b, `<text class="tick" x="%.1f" y="%d" text-anchor="middle">%s</text>`, marginLeft+width*(float64(i)+0.5), marginTop+cellHeight*len(heartbeats)+18, html.EscapeString(e.String()))
	}
	for i, h := range heartbeats {
		fmt.Fprintf(&b, `<text class="tick" x="%d" y="%d" text-anchor="end">%s</text>`, marginLeft-8, marginTop+cellHeight*i+cellHeight/2+4, html.EscapeString(h.String()))
	}
	for _, x := range t.Tried {
		left, top := marginLeft+width*float64(slices.Index(elections, x.Election)), float64(marginTop+cellHeight*slices.Index(heartbeats, x.Heartbeat))
		v, label, shade := value(x), "✕", 0.0
		if v > 0 && x.Finding == "" {
			label, shade = print(x), 0.08
			if high > low {
				shade += 0.4 * math.Log(v/low) / math.Log(high/low)
			}
		}
		class := "grid"
		if x.Name == t.Recommended {
			label += " ★"
			class = "member"
		}
		fmt.Fprintf(&b, `<rect class="heat" fill-opacity="%.2f" x="%.1f" y="%g" width="%.1f" height="%d"><title>%s</title></rect><rect class="%s" fill="none" x="%.1f" y="%g" width="%.1f" height="%d"/><text class="cell" x="%.1f" y="%g" text-anchor="middle">%s</text>`,
			shade, left+1, top+1, width-2, cellHeight-2, html.EscapeString(clean(x.Name+" "+x.Finding)), class, left+1, top+1, width-2, cellHeight-2, left+width/2, top+cellHeight/2+5, html.EscapeString(label))
		tab.Rows = append(tab.Rows, []string{clean(x.Name), strings.TrimSuffix(label, " ★")})
	}
	b.WriteString("</svg>")
	return figure{Title: title, SVG: template.HTML(b.String()), Table: tab, Caption: "Heartbeat intervals from top to bottom, election timeouts from left to right. " + caption + " ★: recommended. ✕: could not be measured."}, true
}
