package content

import (
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// JoinChecks adds up the checks of one name, such as those of several prefixes.
func JoinChecks(checks []results.Check) []results.Check {
	var joined []results.Check
	for _, c := range checks {
		i := slices.IndexFunc(joined, func(j results.Check) bool { return j.Name == c.Name && (j.Skipped == "") == (c.Skipped == "") })
		if i < 0 {
			joined = append(joined, c)
			continue
		}
		joined[i].Checked += c.Checked
		joined[i].Of += c.Of
		switch {
		case strings.Contains(c.Note, joined[i].Note):
			joined[i].Note = c.Note
		case !strings.Contains(joined[i].Note, c.Note):
			joined[i].Note += "; " + c.Note
		}
	}
	return joined
}
