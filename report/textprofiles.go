package report

import (
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
)

// changes prints the functions whose part of an operation differs most from the first of
// several documents.
func (t text) changes(list []ProfileChanges) {
	for _, c := range list {
		t.line("  %s, for each operation, against the first run", words.Clean(c.Title))
		rows := content.ChangeRows(c, profileRowsOnScreen+1)
		figures := []string{"before\tafter\tchange\t"}
		for i, r := range rows {
			figures = append(figures, strings.Join(r[1:], "\t")+"\t")
			rows[i] = r[:1]
		}
		t.figuresAndWords("    ", figures, "function", rows)
	}
}

// profileRowsOnScreen is how many functions of each profile a screen has room for.
const profileRowsOnScreen = 5

// profiles prints the functions with the most CPU time and memory.
func (t text) profiles(d Document) {
	tables, notes := content.ProfileTables(d.Run)
	for _, p := range tables {
		t.line("  %s", p.Title)
		rows := []string{"flat\tshare\tcum\t  "}
		var names [][]string
		for _, r := range p.Rows[:min(profileRowsOnScreen, len(p.Rows))] {
			rows = append(rows, strings.Join([]string{r.Flat, r.Share, r.Cum, ""}, "\t"))
			names = append(names, []string{r.Name})
		}
		t.figuresAndWords("    ", rows, "function", names)
	}
	for _, n := range notes {
		t.line("  profile: %s", n)
	}
	if d.Profiled() && d.Path != "" {
		t.line("  profiles are in %s/profiles: go tool pprof -http=: FILE", words.Clean(d.Path))
	}
}
