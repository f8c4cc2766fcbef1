package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// maxMarkdown is what GitHub takes for a job summary.
const maxMarkdown = 1 << 20

// writeMarkdown writes a summary for the page of a CI job.
func writeMarkdown(w io.Writer, docs []Document) error {
	var b strings.Builder
	for i, d := range docs {
		one := markdown(d)
		if b.Len()+len(one) > maxMarkdown-200 {
			fmt.Fprintf(&b, "\n… and %s\n", plural(len(docs)-i, "result more", "results more"))
			break
		}
		b.WriteString(one)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func markdown(d Document) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## etcdbench %s\n\n%s\n\n", md(d.Plan.Workload), md(load(d.Plan)))
	if d.Outcome != results.Completed {
		fmt.Fprintf(&b, "**%s**: %s\n\n", md(string(d.Outcome)), md(d.Reason))
	}
	if d.Target.Verdict != results.TargetNone {
		fmt.Fprintf(&b, "**%s writes/s**, target %s: **%s** %s\n\n", rate(d.Target.Achieved), rate(d.Target.Writes), md(d.Target.Verdict), md(d.Target.Reason))
	}
	b.WriteString("| operation | ops/s | mean | p50 | p90 | p99 | p99.9 | p99.99 | max | failed | unfinished |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, o := range shownOperations(d.Run) {
		if o.Of != "" {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", md(operationName(d.Run, o)), rate(o.Throughput), strings.Join(responseCells(o), " | "), count(o.Failed), count(o.Unfinished))
	}
	fmt.Fprintf(&b, "\nValidity: **%s**", md(d.Validity.Verdict))
	for _, r := range d.Validity.Reasons {
		fmt.Fprintf(&b, "\n- %s: %s", md(r.Code), md(r.Message))
	}
	b.WriteString("\n")
	if p := d.Proof; p != nil {
		fmt.Fprintf(&b, "\nProof: **%s**\n", md(p.Verdict))
		for _, v := range p.Violations {
			fmt.Fprintf(&b, "- %s %s: expected %s; found %s\n", md(v.Check), md(v.Key), md(v.Expected), md(v.Found))
		}
	}
	b.WriteString(markdownCost(d.Run))
	for _, warning := range d.Warnings {
		fmt.Fprintf(&b, "\n> %s: %s\n", md(warning.Code), md(warning.Message))
	}
	fmt.Fprintf(&b, "\n%s; %s\n\n", md(describeCluster(d.Cluster, d.Environment.Disk)), md(describeMachine(d.Environment)))
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
		fmt.Fprintf(&b, " %s |", strings.TrimSpace(f.Name+" "+f.Unit))
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
				cell = rate(v)
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// md makes a document's string safe in a table of Markdown, HTML included.
func md(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "'", "[", `\[`).Replace(clean(s))
}
