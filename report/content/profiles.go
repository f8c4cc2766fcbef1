package content

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// A ProfileTable lists the functions that most of a profile went to.
type ProfileTable struct {
	// Title returns the subject of the profile, and the total for one operation.
	Title string
	// Rows begin with the function that most went to.
	Rows []ProfileRow
}

// A ProfileRow is the part of one function, for one operation where the profile is
// a sum.
type ProfileRow struct {
	// Flat is the function's own part, without the functions that it called.
	Flat string
	// Share is Flat as a percentage of the whole profile.
	Share string
	// Cum is the function's part with the functions that it called.
	Cum string
	// Name is the function's name, without its module.
	Name string
}

// ProfileTables returns the tables of all members together and of the generator,
// in the order in which the run took its profiles. notes say which profiles are
// missing, and why.
func ProfileTables(r *results.Run) (tables []ProfileTable, notes []string) {
	noted := map[string]bool{}
	note := func(format string, args ...any) {
		if s := fmt.Sprintf(format, args...); !noted[s] {
			noted[s] = true
			notes = append(notes, s)
		}
	}
	anomalies := map[int]bool{}
	for _, p := range r.Profiles {
		what := words.Clean(p.Kind) + " of " + profileSource(p)
		switch {
		case p.Anomaly > 0:
			if p.File != "" && !anomalies[p.Anomaly] {
				anomalies[p.Anomaly] = true
				note("a slow second at %s was captured: anomaly%d", words.Duration(int64(p.Start)), p.Anomaly)
			}
			continue
		case p.Missing != "" && !noted[p.Kind+p.Missing]:
			noted[p.Kind+p.Missing] = true // of all members, and so not of each
			note("%s: %s", what, words.Clean(p.Missing))
		}
		if p.Source != "" && p.Source != results.GeneratorSource || p.Total == 0 || len(p.Top) == 0 {
			continue
		}
		tables = append(tables, ProfileTable{Title: profileTitle(p), Rows: profileRows(p)})
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
	return words.Clean(p.Source)
}

// profileFigure prints a value of a profile for each operation, or the value itself if it is
// not a sum.
func profileFigure(p results.Profile, v float64) string {
	switch {
	case p.Unit == "nanoseconds" && p.Operations > 0:
		return words.Duration(int64(v / float64(p.Operations)))
	case p.Unit == "bytes" && p.Operations > 0:
		return words.Bytes(v / float64(p.Operations))
	case p.Unit == "nanoseconds":
		return words.Duration(int64(v))
	case p.Unit == "bytes":
		return humanize.IBytes(uint64(max(v, 0)))
	}
	return words.Count(int64(v))
}

func profileTitle(p results.Profile) string {
	what := map[string]string{
		"cpu": "CPU", "heap": "memory allocated", "mutex": "waiting for mutexes", "block": "waiting",
		"goroutine": "goroutines",
	}[p.Kind]
	if what == "" {
		what = words.Clean(p.Kind)
	}
	what += " of " + profileSource(p) + " in " + words.Clean(p.Phase)
	if p.Unit != "nanoseconds" && p.Unit != "bytes" {
		return what + ": " + profileFigure(p, float64(p.Total))
	}
	if p.Operations == 0 {
		return what + ": " + profileFigure(p, float64(p.Total)) + ", no operation completed"
	}
	return fmt.Sprintf("%s: %s an operation (%s in %s)",
		what, profileFigure(p, float64(p.Total)), words.Plural(p.Operations, "operation", "operations"),
		words.Duration(int64(p.Length)))
}

func profileRows(p results.Profile) []ProfileRow {
	var rows []ProfileRow
	for _, f := range p.Top {
		rows = append(rows, ProfileRow{
			profileFigure(p, float64(f.Flat)), words.Share(f.Flat, p.Total), profileFigure(p, float64(f.Cum)),
			shortFunction(words.Clean(f.Name)),
		})
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
		return sign + words.Duration(int64(v))
	case "bytes":
		return sign + words.Bytes(v)
	}
	return sign + words.Rate(v)
}

// ChangeRows returns rows for the first functions of c, up to most: the name, the part of an
// operation before and after, and the difference.
func ChangeRows(c ProfileChanges, most int) [][]string {
	var rows [][]string
	for _, f := range c.Functions[:min(most, len(c.Functions))] {
		name := "all functions"
		if f.Name != "" {
			name = shortFunction(words.Clean(f.Name))
		}
		plus := ""
		if f.After > f.Before {
			plus = "+"
		}
		rows = append(rows, []string{
			name, changeFigure(c.Unit, f.Before), changeFigure(c.Unit, f.After),
			plus + changeFigure(c.Unit, f.After-f.Before),
		})
	}
	return rows
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
