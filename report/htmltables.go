package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

func operationTable(r *results.Run) table {
	t := table{Head: []string{"operation", "ops/s", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "completed", "failed", "dropped", "unfinished"}}
	ops := shownOperations(r)
	signed := map[string]bool{}
	for _, o := range ops {
		if o.Of != "" {
			if key := o.Phase + "\t" + o.Of; !signed[key] {
				signed[key] = true
				o.Op = o.Of
				t.Rows = append(t.Rows, append(append([]string{operationName(r, o) + " (signed)", ""}, signedCells(ops, o)...), "", "", "", ""))
			}
			continue
		}
		row := append([]string{operationName(r, o), rate(o.Throughput)}, responseCells(o)...)
		t.Rows = append(t.Rows, append(row, count(o.Completed), count(o.Failed), count(o.Dropped), count(o.Unfinished)))
	}
	return t
}

// detailTables are what the charts do not show.
func detailTables(d Document, happened table) []table {
	tables := []table{
		costTable(d.Run), errorsTable(d.Run), validityTable(d.Validity), proofTable(d.Proof), eventsTable(d.Events), happened,
		warningsTable(d.Warnings), planTable(d.Plan), whereTable(d),
	}
	return slices.DeleteFunc(tables, func(t table) bool { return len(t.Rows) == 0 })
}

func costTable(r *results.Run) table {
	t := table{Title: "Cost of an operation", Head: []string{"phase, member"}}
	if r.Server == nil {
		return t
	}
	for _, f := range results.CostFigures() {
		name := strings.ReplaceAll(f.Name, "_", " ")
		if !strings.HasSuffix(name, f.Unit) {
			name += " " + f.Unit
		}
		t.Head = append(t.Head, name)
	}
	for _, c := range r.Server.Cost {
		name := clean(c.Phase) + ", " + clean(c.Member)
		if c.Member == "" {
			name = clean(c.Phase) + ", all members"
		}
		row := []string{name}
		for _, f := range results.CostFigures() {
			cell := "–"
			if v, ok := c.Figures[f.Name]; ok {
				cell = rate(v)
			}
			row = append(row, cell)
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func errorsTable(r *results.Run) table {
	t := table{Title: "Errors", Words: true, Head: []string{"operation", "error", "count", "example"}}
	for _, o := range shownOperations(r) {
		for _, e := range o.Errors {
			t.Rows = append(t.Rows, []string{operationName(r, o), clean(strings.TrimSpace(e.Code + " " + e.Etcd)), count(e.Count), clean(e.Example)})
		}
	}
	return t
}

func validityTable(v results.Validity) table {
	t := table{Title: "Validity", Words: true, Head: []string{"reason", "what", "value", "limit", "what to do"}}
	for _, r := range v.Reasons {
		t.Rows = append(t.Rows, []string{clean(r.Code), clean(r.Message), fmt.Sprintf("%.4g", r.Value), fmt.Sprintf("%.4g", r.Limit), clean(r.Remedy)})
	}
	return t
}

func proofTable(p *results.Proof) table {
	t := table{Title: "Proof", Words: true, Head: []string{"check", "checked", "of", "what"}}
	if p == nil {
		return t
	}
	for _, c := range p.Checks {
		what := clean(c.Note)
		if c.Skipped != "" {
			what = "not checked: " + clean(c.Skipped)
		}
		t.Rows = append(t.Rows, []string{clean(c.Name), count(c.Checked), count(c.Of), what})
	}
	for _, v := range p.Violations {
		t.Rows = append(t.Rows, []string{"VIOLATION: " + clean(v.Check), clean(v.Key), "expected " + clean(v.Expected), "found " + clean(v.Found)})
	}
	return t
}

func eventsTable(events []results.Event) table {
	t := table{Title: "Disturbances", Words: true, Head: []string{"at", "what", "took", "detail"}}
	for _, e := range events {
		t.Rows = append(t.Rows, []string{duration(int64(e.Start)), clean(e.Kind), duration(int64(e.Length)), clean(strings.TrimSpace(e.Detail + " " + e.Error))})
	}
	return t
}

func warningsTable(warnings []results.Warning) table {
	t := table{Title: "Warnings", Words: true}
	for _, w := range warnings {
		t.Rows = append(t.Rows, []string{clean(w.Code), clean(w.Message)})
	}
	return t
}

func planTable(p results.Plan) table {
	t := table{Title: "Plan", Words: true}
	for _, e := range p.Entries() {
		var params []string
		for _, name := range slices.Sorted(maps.Keys(e.Params)) {
			params = append(params, clean(name)+"="+clean(e.Params[name]))
		}
		t.Rows = append(t.Rows, []string{clean(e.Name), fmt.Sprintf("%s, weight %s: %s", clean(e.Workload), rate(e.Weight), strings.Join(params, ", "))})
	}
	t.Rows = append(t.Rows, []string{"seed", fmt.Sprint(p.Seed)})
	return t
}

func whereTable(d Document) table {
	return table{Title: "Where", Words: true, Rows: [][]string{
		{"cluster", describeCluster(d.Cluster, d.Environment.Disk)}, {"machine", describeMachine(d.Environment)},
		{"run", clean(strings.TrimSpace(d.ID + " " + d.Label))}, {"started", d.Started.UTC().Format("2006-01-02 15:04:05 MST")}, {"result", clean(d.Path)},
	}}
}

// happenedTable is what became of the members meanwhile.
func happenedTable(columns []column) table {
	t := table{Title: "What became of the members", Words: true, Head: []string{"from", "what"}}
	for _, c := range columns {
		if len(c.happened) == 0 {
			continue
		}
		if len(t.Rows) == maxHappened {
			t.Rows = append(t.Rows, []string{"…", "and more: the run's journal has all readings"})
			break
		}
		t.Rows = append(t.Rows, []string{secondsLabel(c.start.Seconds()), strings.Join(c.happened[:min(10, len(c.happened))], ", ")})
	}
	return t
}
