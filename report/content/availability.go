package content

import (
	"fmt"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// Availability returns the availability and outages of a run in one line; empty if they are
// unknown.
func Availability(a *results.Availability) string {
	switch {
	case a == nil:
		return ""
	case a.Count == 0:
		return fmt.Sprintf("availability %s, no outages", availabilityShare(a.Share))
	}
	return fmt.Sprintf("availability %s, %s, the longest %s, %s in all", availabilityShare(a.Share),
		words.Plural(a.Count, "outage", "outages"), words.Duration(int64(a.Longest)), words.Duration(int64(a.Total)))
}

// availabilityShare has enough digits to tell 99.9 % from 99.99 %, and never rounds up to
// 100 %.
func availabilityShare(share float64) string {
	text := fmt.Sprintf("%.4f", 100*share)
	if share < 1 && text == "100.0000" {
		text = "99.9999"
	}
	text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	return text + " %"
}

// OutageRows has a row for each outage: its start, its length, the time until response times
// recovered, the affected operations, and the events at the same time.
func OutageRows(a *results.Availability) (head []string, rows [][]string) {
	head = []string{"at", "length", "recovered after", "affected", "lost", "at the same time"}
	if a == nil {
		return head, nil
	}
	for _, o := range a.Outages {
		length, settled := words.Duration(int64(o.Length)), words.DurationOrUnknown(int64(o.Settled))
		if o.Open {
			length = "≥ " + length
		}
		var causes []string
		for _, c := range o.Causes {
			causes = append(causes, words.Clean(c))
		}
		rows = append(rows, []string{
			words.Duration(int64(o.Start)), length, settled, words.Count(o.Affected), words.Count(o.Lost), strings.Join(causes, "; "),
		})
	}
	return head, rows
}

// OutageLine is one outage as a sentence.
func OutageLine(row []string) string {
	text := fmt.Sprintf("outage at %s for %s: %s operations affected, %s lost; recovered after %s", row[0], row[1], row[3], row[4], row[2])
	if row[5] != "" {
		text += "; at the same time: " + row[5]
	}
	return text
}
