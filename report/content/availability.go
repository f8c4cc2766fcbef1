package content

import (
	"fmt"
	"math"
	"strconv"
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
	outages := words.Plural(a.Count, "outage", "outages")
	switch {
	case a.Partial == a.Count:
		outages = words.Plural(a.Count, "partial outage", "partial outages")
	case a.Partial > 0:
		outages += fmt.Sprintf(" (%s partial)", words.Count(a.Partial))
	}
	return fmt.Sprintf("availability %s, %s, the longest %s, %s in all", availabilityShare(a.Share), outages,
		words.Duration(int64(a.Longest)), words.Duration(int64(a.Total)))
}

// availabilityShare has enough digits to tell 99.9 % from 99.99 %, and never rounds up to
// 100 %.
// availabilityShare prints an availability so that what is missing has three significant digits,
// with four decimals at most.
func availabilityShare(share float64) string {
	decimals := 4
	if missing := 100 * (1 - share); missing > 0 {
		decimals = min(max(2-int(math.Floor(math.Log10(missing))), 0), decimals)
	}
	text := strconv.FormatFloat(100*share, 'f', decimals, 64)
	if share < 1 && text == "100.0000" {
		text = "99.9999"
	}
	if decimals > 0 {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return text + " %"
}

// OutageRows has a row for each outage: its start, its length, the time until response times
// recovered, the affected operations and their share, and the events at the same time.
func OutageRows(a *results.Availability) (head []string, rows [][]string) {
	head = []string{"start", "length", "recovery time", "affected operations (share)", "lost operations", "events at the same time"}
	if a == nil {
		return head, nil
	}
	for _, o := range a.Outages {
		rows = append(rows, []string{
			words.Duration(int64(o.Start)), outageLength(o), words.DurationOrUnknown(int64(o.Settled)),
			words.Count(o.Affected) + affectedShare(o), words.Count(o.Lost), outageCauses(o),
		})
	}
	return head, rows
}

// OutageLine is one outage as a sentence.
func OutageLine(o results.Outage) string {
	kind := "outage"
	if o.Partial() {
		kind = "partial outage"
	}
	text := fmt.Sprintf("%s at %s for %s: %s operations affected%s, %s lost; recovered after %s", kind, words.Duration(int64(o.Start)),
		outageLength(o), words.Count(o.Affected), affectedShare(o), words.Count(o.Lost), words.DurationOrUnknown(int64(o.Settled)))
	if causes := outageCauses(o); causes != "" {
		text += "; at the same time: " + causes
	}
	return text
}

// affectedShare is the share of the operations during an outage that were affected; empty where
// the result does not have it.
func affectedShare(o results.Outage) string {
	if o.Share == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s)", words.Percent(o.Share))
}

func outageLength(o results.Outage) string {
	if o.Open {
		return "≥ " + words.Duration(int64(o.Length))
	}
	return words.Duration(int64(o.Length))
}

func outageCauses(o results.Outage) string {
	var causes []string
	for _, c := range o.Causes {
		causes = append(causes, words.Clean(c))
	}
	return strings.Join(causes, "; ")
}
