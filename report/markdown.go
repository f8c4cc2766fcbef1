package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// maxMarkdown is GitHub's limit for a job summary, in bytes.
const maxMarkdown = 1 << 20

// writeMarkdown writes a summary for the page of a CI job.
func writeMarkdown(w io.Writer, docs []Document) error {
	var b strings.Builder
	for i, d := range docs {
		one := markdown(d)
		if b.Len()+len(one) > maxMarkdown-200 {
			fmt.Fprintf(&b, "\n… and %s\n", words.Plural(len(docs)-i, "more result", "more results"))
			break
		}
		b.WriteString(one)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdown(d Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## etcdbench %s\n\n%s\n\n", md(d.Plan.Workload), md(content.Load(d.Plan)))
	if d.Outcome != results.Completed {
		fmt.Fprintf(&b, "**%s**\n\n", md(content.Outcome(d.Run)))
	}
	if d.Target.Verdict != results.TargetNone {
		fmt.Fprintf(&b, "**%s writes/s**, target %s: **%s** %s\n\n",
			words.Rate(d.Target.Achieved), words.Rate(d.Target.Writes), md(d.Target.Verdict), md(d.Target.Reason))
	}
	b.WriteString("| operation | ops/s | mean | p50 | p90 | p99 | p99.9 | p99.99 | max | error rate | failed | dropped | unfinished |\n" +
		"|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, o := range content.Operations(d.Run) {
		if o.Of != "" {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n",
			md(content.OperationName(d.Run, o)), words.Rate(o.Throughput), strings.Join(content.ResponseCells(o), " | "),
			content.ErrorRate(o), words.Count(o.Failed), words.Count(o.Dropped), words.Count(o.Unfinished))
	}
	if line := content.OmittedLine(d.Run); line != "" {
		fmt.Fprintf(&b, "\n… %s\n", line)
	}
	for _, line := range content.BacklogLines(d.Run) {
		fmt.Fprintf(&b, "\n%s\n", md(line))
	}
	fmt.Fprintf(&b, "\nValidity: **%s**", md(d.Validity.Verdict))
	for _, r := range d.Validity.Reasons {
		fmt.Fprintf(&b, "\n- %s: %s", md(r.Code), md(r.Message))
	}
	b.WriteString("\n")
	if line := content.Availability(d.Availability); line != "" {
		fmt.Fprintf(&b, "\n%s\n", md(line))
		for _, o := range d.Availability.Outages {
			fmt.Fprintf(&b, "- %s\n", md(content.OutageLine(o)))
		}
	}
	if p := d.Proof; p != nil {
		fmt.Fprintf(&b, "\nProof: **%s**\n", md(p.Verdict))
		for _, v := range p.Violations {
			fmt.Fprintf(&b, "- %s %s: expected %s; found %s\n", md(v.Check), md(v.Key), md(v.Expected), md(v.Found))
			for _, line := range content.ViolationLines(v) {
				fmt.Fprintf(&b, "  - %s\n", md(line))
			}
		}
	}
	b.WriteString(markdownAgents(d.Run))
	b.WriteString(markdownCost(d.Run))
	for _, warning := range d.Warnings {
		fmt.Fprintf(&b, "\n> %s: %s\n", md(warning.Code), md(warning.Message))
	}
	fmt.Fprintf(&b, "\n%s; %s\n\n", md(content.DescribeCluster(d.Cluster, d.Environment.Disk)), md(content.DescribeMachine(d.Environment)))
	return b.String()
}

// markdownAgents is the table of the processes that generated the load.
func markdownAgents(r *results.Run) string {
	rows, left := content.AgentRows(r)
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	head := content.AgentHead()
	b.WriteString("\n| " + strings.Join(head, " | ") + " |\n|" + strings.Repeat("---|", len(head)) + "\n")
	for _, row := range rows {
		for i := range row {
			row[i] = md(row[i])
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	if left > 0 {
		fmt.Fprintf(&b, "\nand %d other agents\n", left)
	}
	return b.String()
}

func markdownCost(r *results.Run) string {
	if r.Server == nil || len(r.Server.Cost) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| cost of an operation |")
	figures := results.CostFigures()
	for _, f := range figures {
		fmt.Fprintf(&b, " %s |", f.Label)
	}
	b.WriteString("\n|---|" + strings.Repeat("--:|", len(figures)) + "\n")
	for _, c := range r.Server.Cost {
		member := c.Member
		if member == "" {
			member = "all members"
		}
		fmt.Fprintf(&b, "| %s, %s |", md(c.Phase), md(member))
		for _, f := range figures {
			cell := "–"
			if v, ok := c.Figures[f.Name]; ok {
				cell = content.CostCell(f, v)
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// md makes a document's string safe in a table of Markdown, HTML included.
func md(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "'", "[", `\[`).Replace(words.Clean(s))
}

// paragraph ends the previous paragraph with an empty line.
func paragraph(b *strings.Builder) {
	for !strings.HasSuffix(b.String(), "\n\n") {
		b.WriteString("\n")
	}
}

// markdownTable writes a table. align has a letter for each of the first columns: l for
// words; all others are figures, at the right. Cells are made safe here.
func markdownTable(b *strings.Builder, align string, head []string, rows [][]string) {
	paragraph(b)
	b.WriteString(markdownRow(head) + "|")
	for i := range head {
		if i < len(align) && align[i] == 'l' {
			b.WriteString("---|")
		} else {
			b.WriteString("--:|")
		}
	}
	b.WriteString("\n")
	for _, row := range rows {
		b.WriteString(markdownRow(row))
	}
	paragraph(b)
}

func markdownRow(cells []string) string {
	var b strings.Builder
	b.WriteString("|")
	for _, cell := range cells {
		b.WriteString(" " + md(cell) + " |")
	}
	return b.String() + "\n"
}

// markdownEnd writes the warnings, and where it was measured.
func markdownEnd(b *strings.Builder, warnings []results.Warning, where ...string) {
	for _, w := range warnings {
		paragraph(b)
		fmt.Fprintf(b, "> %s: %s\n", md(w.Code), md(w.Message))
	}
	for i, place := range where {
		where[i] = md(place)
	}
	if line := strings.Join(where, "; "); line != "" {
		paragraph(b)
		b.WriteString(line + "\n")
	}
}

// writeCut writes a summary. A summary that is too large for a CI job's page ends after a
// whole line, with a note.
func writeCut(w io.Writer, text string) error {
	const note = "\n… the rest is omitted: a summary holds at most 1 MiB\n"
	if len(text) > maxMarkdown {
		text = text[:maxMarkdown-len(note)]
		text = text[:strings.LastIndexByte(text, '\n')+1] + note
	}
	_, err := io.WriteString(w, text)
	return err
}
