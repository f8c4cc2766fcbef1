package html

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

func operationTable(r *results.Run) table {
	t := table{
		Label: "Operations",
		Head: []string{
			"operation", "ops/s", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "error rate", "completed",
			"failed", "dropped", "unfinished",
		},
	}
	ops := content.Operations(r)
	signed := map[string]bool{}
	for _, o := range ops {
		if o.Of != "" {
			if key := o.Phase + "\t" + o.Of; !signed[key] {
				signed[key] = true
				o.Op = o.Of
				row := append([]string{content.OperationName(r, o) + " (signed)", ""}, content.SignedCells(ops, o)...)
				t.Rows = append(t.Rows, append(row, "", "", "", "", ""))
			}
			continue
		}
		row := append([]string{content.OperationName(r, o), words.Rate(o.Throughput)}, content.ResponseCells(o)...)
		t.Rows = append(t.Rows, append(row, content.ErrorRate(o),
			words.Count(o.Completed), words.Count(o.Failed), words.Count(o.Dropped), words.Count(o.Unfinished)))
	}
	return t
}

// detailParts are the parts that the charts do not show.
func detailParts(d content.Document, happened table) []part {
	parts := []part{
		tablePart("backlog", backlogTable(d.Run)), tablePart("cost", costTable(d.Run)), tablePart("errors", errorsTable(d.Run)),
		tablePart("validity", validityTable(d.Validity)), tablePart("agents", agentsTable(d.Run)), tablePart("proof", proofTable(d.Proof)),
		tablePart("outages", outagesTable(d.Availability)), tablePart("disturbances", eventsTable(d.Events)),
		tablePart("happened", happened), tablePart("warnings", warningsTable(d.Warnings)),
	}
	return append(parts, part{ID: "plan", Title: "Plan", Tables: []table{planTable(d.Plan), whereTable(d)}})
}

// backlogTable returns the table of the phases that did not keep up with their arrivals.
func backlogTable(r *results.Run) table {
	t := table{Title: "Offered load and backlog", Words: true}
	for _, line := range content.BacklogLines(r) {
		t.Rows = append(t.Rows, []string{line})
	}
	return t
}

func costTable(r *results.Run) table {
	t := table{Title: "Cost of an operation", Head: []string{"phase, member"}}
	if r.Server == nil {
		return t
	}
	for _, f := range results.CostFigures() {
		t.Head = append(t.Head, f.Label)
	}
	for _, c := range r.Server.Cost {
		name := words.Clean(c.Phase) + ", " + words.Clean(c.Member)
		if c.Member == "" {
			name = words.Clean(c.Phase) + ", all members"
		}
		row := []string{name}
		for _, f := range results.CostFigures() {
			cell := "–"
			if v, ok := c.Figures[f.Name]; ok {
				cell = content.CostCell(f, v)
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func errorsTable(r *results.Run) table {
	t := table{Title: "Errors", Words: true, Head: []string{"operation", "error", "count", "example"}}
	for _, o := range content.Operations(r) {
		for _, e := range o.Errors {
			t.Rows = append(t.Rows, []string{
				content.OperationName(r, o), words.Clean(strings.TrimSpace(e.Code + " " + e.Etcd)), words.Count(e.Count),
				words.Clean(e.Example),
			})
		}
	}
	return t
}

func validityTable(v results.Validity) table {
	t := table{Title: "Validity", Words: true, Head: []string{"reason", "description", "value", "limit", "remedy"}}
	for _, r := range v.Reasons {
		value, limit := "–", "–"
		if r.Limit != 0 {
			value, limit = reasonFigure(r.Code, r.Value), reasonFigure(r.Code, r.Limit)
		}
		t.Rows = append(t.Rows, []string{words.Clean(r.Code), words.Clean(r.Message), value, limit, words.Clean(r.Remedy)})
	}
	return t
}

// reasonFigure prints a figure of a reason with its unit: a time for delays, a share otherwise.
func reasonFigure(code string, v float64) string {
	if code == "send-lag" || code == "scheduler-delay" {
		return words.Duration(int64(v * 1e9))
	}
	return words.Percent(v)
}

// agentsTable returns the table of the processes that generated the load of a distributed run.
func agentsTable(r *results.Run) table {
	t := table{Title: "Agents", Head: content.AgentHead()}
	rows, left := content.AgentRows(r)
	if t.Rows = rows; left > 0 {
		t.Rows = append(t.Rows, []string{fmt.Sprintf("and %d other agents", left)})
	}
	return t
}

func proofTable(p *results.Proof) table {
	t := table{Title: "Proof", Words: true, Head: []string{"check", "checked", "of", "details"}}
	if p == nil {
		return t
	}
	for _, c := range content.JoinChecks(p.Checks) {
		what := words.Clean(c.Note)
		if c.Skipped != "" {
			what = "not checked: " + words.Clean(c.Skipped)
		}
		t.Rows = append(t.Rows, []string{words.Clean(c.Name), words.Count(c.Checked), words.Count(c.Of), what})
	}
	for _, v := range p.Violations {
		t.Rows = append(t.Rows, []string{
			"VIOLATION: " + words.Clean(v.Check), words.Clean(v.Key), "expected " + words.Clean(v.Expected),
			"found " + words.Clean(v.Found),
		})
		for _, line := range content.ViolationLines(v) {
			t.Rows = append(t.Rows, []string{"", "", "", line})
		}
	}
	return t
}

func outagesTable(a *results.Availability) table {
	t := table{Title: "Outages", Words: true}
	t.Head, t.Rows = content.OutageRows(a)
	return t
}

func eventsTable(events []results.Event) table {
	t := table{Title: "Disturbances", Words: true, Head: []string{"start", "disturbance", "length", "details"}}
	for _, e := range events {
		t.Rows = append(t.Rows, []string{
			words.Duration(int64(e.Start)), words.Clean(e.Kind), words.Duration(int64(e.Length)),
			words.Clean(e.Outcome()),
		})
	}
	return t
}

func warningsTable(warnings []results.Warning) table {
	t := table{Title: "Warnings", Words: true}
	for _, w := range warnings {
		t.Rows = append(t.Rows, []string{words.Clean(w.Code), words.Clean(w.Message)})
	}
	return t
}

func planTable(p results.Plan) table {
	t := table{Words: true, Label: "Plan"}
	for _, e := range p.Entries() {
		var params []string
		for _, name := range slices.Sorted(maps.Keys(e.Params)) {
			params = append(params, words.Clean(name)+"="+words.Clean(e.Params[name]))
		}
		t.Rows = append(t.Rows, []string{
			words.Clean(e.Name),
			fmt.Sprintf("%s, weight %s: %s", words.Clean(e.Workload), words.Rate(e.Weight), strings.Join(params, ", ")),
		})
	}
	t.Rows = append(t.Rows, []string{"seed", fmt.Sprint(p.Seed)})
	return t
}

func whereTable(d content.Document) table {
	return table{Title: "Environment", Words: true, Rows: [][]string{
		{"cluster", content.DescribeCluster(d.Cluster, d.Environment.Disk)}, {"machine", content.DescribeMachine(d.Environment)},
		{"run", words.Clean(strings.TrimSpace(d.ID + " " + d.Label))},
		{"started", d.Started.UTC().Format("2006-01-02 15:04:05 MST")}, {"result", words.Clean(d.Path)},
	}}
}

// experimentTable lists where an experiment was made, and its name.
func experimentTable(c results.Cluster, e results.Environment, kind, id string) table {
	return table{Title: "Environment", Words: true, Rows: [][]string{
		{"cluster", content.DescribeCluster(c, e.Disk)}, {"machine", content.DescribeMachine(e)}, {kind, words.Clean(id)},
	}}
}

// unbroken keeps the cells of rows on one line each, but the last, which is words.
func unbroken(rows [][]string) [][]string {
	for _, row := range rows {
		for i := range row[:len(row)-1] {
			row[i] = strings.ReplaceAll(row[i], " ", "\u00a0")
		}
	}
	return rows
}

// happenedTable has the changes of leader, gaps and restarts of members.
func happenedTable(columns []column) table {
	t := table{Title: "Member events", Words: true, Head: []string{"at", "event"}}
	for _, h := range allHappened(columns) {
		if len(t.Rows) == maxHappened {
			t.Rows = append(t.Rows, []string{"…", "more events: the run's journal has all readings"})
			break
		}
		t.Rows = append(t.Rows, []string{secondsLabel(h.at.Seconds()), strings.Join(h.descriptions[:min(10, len(h.descriptions))], ", ")})
	}
	return t
}
