package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

func writeCapacityText(w io.Writer, c *results.Capacity) error {
	var b strings.Builder
	t := newText(w, &b)
	t.line("capacity of %s under %s", words.Clean(c.Workload), words.Clean(strings.Join(c.SLO, ", ")))
	t.line("  %s", t.mark(content.CapacityAnswer(c)))
	if c.Stopped != "" {
		t.line("  %s", words.Clean(c.Stopped))
	}
	if target := content.CapacityTarget(c); target != "" {
		t.line("  %s", target)
	}
	for _, w := range c.Warnings {
		t.line("  warning: %s", words.Clean(w.Message))
	}
	for _, line := range content.ResourceLines(c) {
		t.line("  %s", line)
	}
	if c.Fit != nil {
		t.line("  %s", content.FitText(c.Fit))
	}
	if c.Plan != nil {
		t.line("")
		head, rows := content.PlanTable(c)
		t.tableWithWords(append(head, ""), appendColumn(rows, ""))
	} else {
		t.line("")
	}
	head, rows := content.CapacityTable(c)
	lines := []string{strings.Join(head[:len(head)-1], "\t")}
	for _, row := range rows {
		lines = append(lines, strings.Join(row[:len(row)-1], "\t"))
	}
	t.figuresAndWords("", lines, head[len(head)-1], rows)
	t.line("")
	t.line("  cluster  %s", content.DescribeCluster(c.Cluster, c.Environment.Disk))
	t.line("  machine  %s", content.DescribeMachine(c.Environment))
	return t.flush(w)
}

func writeCapacityMarkdown(w io.Writer, c *results.Capacity) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## etcdbench capacity %s: %s\n\nunder %s\n\n",
		md(c.Workload), md(content.CapacityAnswer(c)), md(strings.Join(c.SLO, ", ")))
	if target := content.CapacityTarget(c); target != "" {
		fmt.Fprintf(&b, "**%s**\n\n", md(target))
	}
	if c.Stopped != "" {
		fmt.Fprintf(&b, "- %s\n", md(c.Stopped))
	}
	for _, line := range content.ResourceLines(c) {
		fmt.Fprintf(&b, "- %s\n", md(line))
	}
	if c.Fit != nil {
		fmt.Fprintf(&b, "- %s\n", md(content.FitText(c.Fit)))
	}
	if c.Plan != nil {
		head, rows := content.PlanTable(c)
		markdownTable(&b, "l", head, rows)
	}
	head, rows := content.CapacityTable(c)
	markdownTable(&b, "llrrrrrrrrl", head, rows)
	markdownEnd(&b, c.Warnings, content.DescribeCluster(c.Cluster, c.Environment.Disk), content.DescribeMachine(c.Environment))
	return writeCut(w, b.String())
}

// writeCapacityJUnit has a case for the SLO, for the target where one was judged, and
// for the headroom where there is a plan. What the search could not decide is skipped.
func writeCapacityJUnit(w io.Writer, c *results.Capacity) error {
	s := newJUnitSuite("etcdbench capacity "+words.Clean(c.Workload)+" "+words.Clean(c.ID), c.Started, c.Ended)
	const class = "etcdbench.capacity"
	answer := content.CapacityAnswer(c)
	if c.Stopped != "" {
		answer += ": " + words.Clean(c.Stopped)
	}
	verdict := content.CapacityVerdict(c)
	s.judge(class, "a load meets the SLO", verdict, answer)
	if t := c.Target; t.Verdict != "" && t.Verdict != results.TargetNone {
		failure, skipped := targetOf(t)
		s.add(class, "target", failure, skipped)
	}
	if c.Plan != nil {
		unit := content.CapacityUnit(c)
		headroom := func(name string, share, safe float64, known string) {
			text := fmt.Sprintf("headroom %+.0f %%: the demand is %s, the safe rate %s", 100*share, unit(c.Plan.Demand), unit(safe))
			switch {
			case known == results.Inconclusive:
				s.add(class, name, "", answer)
			case share >= 0:
				s.add(class, name, "", "")
			default:
				s.add(class, name, text, "")
			}
		}
		headroom("headroom", c.Plan.Headroom, c.Plan.SafeRate, verdict)
		if c.Plan.DownSafeRate > 0 {
			headroom("headroom with one member down", c.Plan.DownHeadroom, c.Plan.DownSafeRate, results.Pass)
		} else {
			s.add(class, "headroom with one member down", "", "not measured")
		}
	}
	return junitSuites{Suites: []junitSuite{s}}.write(w)
}
