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

// percentile prints a percentile of an operation's response times: as a lower
// bound where unfinished operations reach into it, as a question mark where too
// few samples lie beyond it.
func percentile(o results.Operation, p float64, ns int64) string {
	all := o.ResponseTime.Count + int64(o.Unfinished)
	if o.Unfinished > 0 && float64(o.Unfinished) >= float64(all)*(100-p)/100 {
		// The percentile of what finished is the least that it can be.
		if b := bound(o, p); b > ns {
			ns = b
		}
		if ns == 0 {
			return "?"
		}
		return "≥ " + duration(ns)
	}
	if !o.ResponseTime.Resolved(p) {
		return "?"
	}
	return duration(ns)
}

// bound is the percentile over finished and unfinished operations together.
func bound(o results.Operation, p float64) int64 {
	both, err := results.MergeLatency(o.ResponseTime, o.UnfinishedResponseTime)
	if err != nil {
		return 0
	}
	h, err := both.Histogram()
	if err != nil {
		return 0
	}
	return h.ValueAtPercentile(p)
}

func plural[T int | int64 | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}
