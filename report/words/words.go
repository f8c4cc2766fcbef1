// Package words prints single values the way every report shows them: times,
// rates, counts, shares and names. It depends on no documents. Times are nanoseconds.
package words

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// Clean makes a string from a document safe for a terminal: it replaces characters
// that could move the cursor, colour or hide text, and cuts the string after 200
// bytes.
func Clean(s string) string {
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

// Count prints a number with thousands separated.
func Count[T int | int64 | uint64](n T) string { return humanize.Comma(int64(n)) }

// Plural prints a number with its noun: one in the singular, many otherwise.
func Plural[T int | int64 | uint64](n T, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Count(n) + " " + many
}

// Rate prints a number per second, without a unit: rounded to two decimals below 10, and to a whole
// number above.
func Rate(perSecond float64) string {
	switch {
	case math.IsNaN(perSecond):
		return "?"
	case math.Abs(perSecond) >= 1e15: // no rate: of a damaged document, say
		return fmt.Sprintf("%.3g", perSecond)
	case perSecond < 10:
		return humanize.Commaf(math.Round(perSecond*100) / 100)
	}
	return humanize.Comma(int64(math.Round(perSecond)))
}

// Duration prints a time with three significant digits and the unit.
func Duration(ns int64) string {
	d := time.Duration(ns)
	if d < 0 {
		return "−" + Duration(-max(ns, -math.MaxInt64))
	}
	switch {
	case d < time.Millisecond:
		return ThreeDigits(float64(d)/float64(time.Microsecond)) + " µs"
	case d < time.Second:
		return ThreeDigits(float64(d)/float64(time.Millisecond)) + " ms"
	}
	return ThreeDigits(d.Seconds()) + " s"
}

// DurationOrUnknown prints a time, or a question mark for 0, which stands for a
// percentile with too few samples behind it.
func DurationOrUnknown(ns int64) string {
	if ns == 0 {
		return "?"
	}
	return Duration(ns)
}

// ThreeDigits prints a number that is not negative with three significant digits.
func ThreeDigits(f float64) string {
	switch {
	case f < 9.995:
		return fmt.Sprintf("%.2f", f)
	case f < 99.95:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.0f", f)
}

// Bytes prints a number of bytes, which may be a fraction, with a binary unit.
func Bytes(v float64) string {
	switch {
	case math.IsNaN(v):
		return "?"
	case v <= -1024:
		return "−" + Bytes(-v)
	case v < 1024:
		return ThreeDigits(v) + " B"
	}
	return humanize.IBytes(uint64(min(v, math.MaxInt64)))
}

// Share prints a part of a whole as a percentage.
func Share(part, whole int64) string {
	p := 100 * float64(part) / float64(whole)
	if p > 0 && p < 0.01 {
		return "< 0.01 %"
	}
	return fmt.Sprintf("%.2f %%", p)
}

// Percent prints a fraction as a percentage, with decimals below 10 % only.
func Percent(fraction float64) string {
	switch p := 100 * fraction; {
	case p == 0:
		return "0 %"
	case p < 0.01:
		return "< 0.01 %"
	case p < 9.995:
		return fmt.Sprintf("%.2f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// SignedPercent prints a fraction as a percentage with its sign, with a decimal below 10 % only,
// and nil as open, the word for a bound that is not there.
func SignedPercent(share *float64, open string) string {
	if share == nil {
		return open
	}
	switch p := 100 * *share; {
	case math.Abs(p) >= 1e6:
		return fmt.Sprintf("%+.3g %%", p)
	case p >= 999.5:
		return "+" + Count(int64(math.Round(p))) + " %"
	case math.Abs(p) >= 9.95:
		return fmt.Sprintf("%+.0f %%", p)
	default:
		return fmt.Sprintf("%+.1f %%", p)
	}
}

// SignedPoints prints the difference of two shares in percentage points with its sign, and
// nil as open, the word for a bound that is not there.
func SignedPoints(difference *float64, open string) string {
	if difference == nil {
		return open
	}
	return fmt.Sprintf("%+.3g pp", 100**difference)
}

// Letter names the run or series of index i: A, B, … Z, A1, B1, …
func Letter(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return fmt.Sprintf("%s%d", Letter(i%26), i/26)
}

// AxisDuration labels a place on an axis of times.
func AxisDuration(v float64) string {
	if v == 0 {
		return "0"
	}
	return Duration(int64(v))
}

// AxisNumber labels a place on an axis of numbers, with an SI prefix.
func AxisNumber(v float64) string { return humanize.SIWithDigits(v, 2, "") }
