package report

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// profileTable is the functions that most of a profile went to.
type profileTable struct {
	title string
	rows  []profileRow
}

type profileRow struct{ flat, share, cum, name string }

// profileTables are those of all members together and of the generator, in the
// order in which they were asked for; notes say what is missing.
func profileTables(r *results.Run) (tables []profileTable, notes []string) {
	noted := map[string]bool{}
	note := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !noted[s] {
			noted[s] = true
			notes = append(notes, s)
		}
	}
	anomalies := map[int]bool{}
	for _, p := range r.Profiles {
		what := clean(p.Kind) + " of " + profileSource(p)
		switch {
		case p.Anomaly > 0:
			if p.File != "" && !anomalies[p.Anomaly] {
				anomalies[p.Anomaly] = true
				note("a slow second at %s was captured: anomaly%d", duration(int64(p.Start)), p.Anomaly)
			}
			continue
		case p.Missing != "" && !noted[p.Kind+p.Missing]:
			noted[p.Kind+p.Missing] = true // of all members, and so not of each
			note("%s: %s", what, clean(p.Missing))
		}
		if p.Source != "" && p.Source != results.GeneratorSource || p.Total == 0 || len(p.Top) == 0 {
			continue
		}
		tables = append(tables, profileTable{title: profileTitle(p), rows: profileRows(p)})
	}
	return tables, notes
}

func profileSource(p results.Profile) string {
	switch p.Source {
	case "":
		return "all members"
	case results.GeneratorSource:
		return "the generator"
	}
	return clean(p.Source)
}

// profileFigure prints a value of a profile for each operation, or as it is where
// it is no sum.
func profileFigure(p results.Profile, v float64) string {
	switch {
	case p.Unit == "nanoseconds" && p.Operations > 0:
		return duration(int64(v / float64(p.Operations)))
	case p.Unit == "bytes" && p.Operations > 0:
		return bytesPerOperation(v / float64(p.Operations))
	case p.Unit == "nanoseconds":
		return duration(int64(v))
	case p.Unit == "bytes":
		return humanize.IBytes(uint64(max(v, 0)))
	}
	return count(int64(v))
}

func bytesPerOperation(v float64) string {
	if math.Abs(v) < 1024 {
		return threeDigits(v) + " B"
	}
	return humanize.IBytes(uint64(v))
}

func profileTitle(p results.Profile) string {
	what := map[string]string{"cpu": "CPU", "heap": "memory allocated", "mutex": "waiting for mutexes", "block": "waiting", "goroutine": "goroutines"}[p.Kind]
	if what == "" {
		what = clean(p.Kind)
	}
	what += " of " + profileSource(p) + " in " + clean(p.Phase)
	if p.Unit != "nanoseconds" && p.Unit != "bytes" {
		return what + ": " + profileFigure(p, float64(p.Total))
	}
	if p.Operations == 0 {
		return what + ": " + profileFigure(p, float64(p.Total)) + ", with no operation completed"
	}
	return fmt.Sprintf("%s: %s an operation (%s in %s)", what, profileFigure(p, float64(p.Total)), plural(p.Operations, "operation", "operations"), duration(int64(p.Length)))
}

func profileRows(p results.Profile) []profileRow {
	var rows []profileRow
	for _, f := range p.Top {
		rows = append(rows, profileRow{profileFigure(p, float64(f.Flat)), share(f.Flat, p.Total), profileFigure(p, float64(f.Cum)), shortFunction(clean(f.Name))})
	}
	return rows
}

// changeFigure prints a part of one operation.
func changeFigure(unit string, v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	switch unit {
	case "nanoseconds":
		return sign + duration(int64(v))
	case "bytes":
		return sign + bytesPerOperation(v)
	}
	return sign + rate(v)
}

// changeRows has the functions that changed most: their own part of an operation
// before and after.
func changeRows(c ProfileChanges, most int) [][]string {
	var rows [][]string
	for _, f := range c.Functions[:min(most, len(c.Functions))] {
		name := "all functions"
		if f.Name != "" {
			name = shortFunction(clean(f.Name))
		}
		plus := ""
		if f.After > f.Before {
			plus = "+"
		}
		rows = append(rows, []string{name, changeFigure(c.Unit, f.Before), changeFigure(c.Unit, f.After), plus + changeFigure(c.Unit, f.After-f.Before)})
	}
	return rows
}

// changes says which functions' part of an operation differs most from that in
// the first of several documents.
func (t text) changes(list []ProfileChanges) {
	for _, c := range list {
		t.line("  %s, for each operation, against the first run", clean(c.Title))
		rows := changeRows(c, profileRowsOnScreen+1)
		figures := []string{"before\tafter\tchange\t"}
		for i, r := range rows {
			figures = append(figures, strings.Join(r[1:], "\t")+"\t")
			rows[i] = r[:1]
		}
		t.figuresAndWords("    ", figures, "function", rows)
	}
}

// shortFunction leaves out where a function's package comes from.
func shortFunction(name string) string {
	head, rest, _ := strings.Cut(name, "(")
	if i := strings.LastIndex(head, "/"); i >= 0 {
		head = head[i+1:]
	}
	if rest != "" {
		return head + "(" + rest
	}
	return head
}

// profileRowsOnScreen is how many functions of each profile a screen has room for.
const profileRowsOnScreen = 5

// profiles says which functions most of the CPU time and memory went to.
func (t text) profiles(d Document) {
	tables, notes := profileTables(d.Run)
	for _, p := range tables {
		t.line("  %s", p.title)
		rows := []string{"flat\tshare\tcum\t  "}
		var names [][]string
		for _, r := range p.rows[:min(profileRowsOnScreen, len(p.rows))] {
			rows = append(rows, strings.Join([]string{r.flat, r.share, r.cum, ""}, "\t"))
			names = append(names, []string{r.name})
		}
		t.figuresAndWords("    ", rows, "function", names)
	}
	for _, n := range notes {
		t.line("  profile: %s", n)
	}
	if d.Profiled() && d.Path != "" {
		t.line("  profiles are in %s/profiles: go tool pprof -http=: FILE", clean(d.Path))
	}
}
