package report

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// clean makes a string from a document safe for a terminal: whatever could move
// the cursor, colour or hide something becomes visible, and it ends somewhere.
func clean(s string) string {
	const most = 200
	var b strings.Builder
	for i, r := range s {
		if i >= most {
			b.WriteString("…")
			break
		}
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		b.WriteRune(r)
	}
	return b.String()
}

// count prints a number with thousands separated.
func count[T int | int64 | uint64](n T) string { return humanize.Comma(int64(n)) }

// rate prints a number per second.
func rate(perSecond float64) string {
	if perSecond < 10 {
		return humanize.CommafWithDigits(perSecond, 2)
	}
	return humanize.Comma(int64(math.Round(perSecond)))
}

// duration prints three significant digits and the unit.
func duration(ns int64) string {
	d := time.Duration(ns)
	if d < 0 {
		return "−" + duration(-ns)
	}
	switch {
	case d < time.Millisecond:
		return threeDigits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second:
		return threeDigits(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return threeDigits(d.Seconds()) + " s"
}

func threeDigits(f float64) string {
	switch {
	case f < 9.995:
		return fmt.Sprintf("%.2f", f)
	case f < 99.95:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// percentile prints a percentile (0–100) of an operation's response times, over
// what was completed and what did not finish: as a lower bound where it falls
// among the unfinished, as a question mark where too few samples lie beyond it.
func percentile(o results.Operation, p float64, ns int64) string {
	l := o.ResponseTime
	bound := false
	if o.UnfinishedResponseTime.Count > 0 {
		both, err := results.MergeLatency(o.ResponseTime, o.UnfinishedResponseTime)
		if err != nil {
			return "?"
		}
		h, err := both.Histogram()
		if err != nil {
			return "?"
		}
		l, ns = both, h.ValueAtPercentile(p)
		bound = ns >= o.UnfinishedResponseTime.Min
	}
	switch {
	case !l.Resolved(p):
		return "?"
	case bound:
		return "≥ " + duration(ns)
	}
	return duration(ns)
}

func plural[T int | int64 | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
