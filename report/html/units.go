package html

import (
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/words"
)

// unit is the unit of an axis: its name, and its size in the unit of the values.
type unit struct {
	name string
	size float64
}

// label prints a value in the unit, without the unit's name.
func (u unit) label(v float64) string { return plainNumber(v / u.size) }

// timeUnit returns the unit for times up to that many nanoseconds.
func timeUnit(high float64) unit {
	switch {
	case high < 2e6:
		return unit{"µs", 1e3}
	case high < 20e9:
		return unit{"ms", 1e6}
	}
	return unit{"s", 1e9}
}

// byteUnit returns the binary unit for sizes up to that many bytes.
func byteUnit(high float64) unit {
	u := unit{"bytes", 1}
	for _, name := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if high < 1.5*1024*u.size {
			break
		}
		u = unit{name, 1024 * u.size}
	}
	return u
}

// shortTime prints a time of so many nanoseconds with its unit and without trailing zeros.
func shortTime(ns float64) string {
	u := timeUnit(10 * ns)
	if ns >= 1e9 {
		u = unit{"s", 1e9}
	}
	return u.label(ns) + " " + u.name
}

// plainNumber prints a number of a tick: four significant digits at most, and no prefix.
func plainNumber(v float64) string {
	if math.Abs(v) >= 1e9 {
		return fmt.Sprintf("%.3g", v)
	}
	if math.Abs(v) >= 1e3 {
		return humanize.Comma(int64(math.Round(v)))
	}
	text := fmt.Sprintf("%.4g", v)
	if strings.Contains(text, "e") {
		text = fmt.Sprintf("%.0f", v)
	}
	return text
}

// quantity is the quantity that a figure of members measures.
type quantity int

// The quantities: CPU cores, times in seconds, sizes in bytes, and plain numbers.
const (
	cores quantity = iota
	seconds
	sizes
	numbers
)

// unit returns the unit of an axis for values up to that.
func (q quantity) unit(high float64) unit {
	switch q {
	case cores:
		return unit{"cores", 1}
	case seconds:
		u := timeUnit(1e9 * high)
		return unit{u.name, u.size / 1e9}
	case sizes:
		return byteUnit(high)
	}
	return unit{"", 1}
}

// cell prints a value with its unit.
func (q quantity) cell(v float64) string {
	switch q {
	case cores:
		return words.ThreeDigits(v)
	case seconds:
		return words.Duration(int64(v * 1e9))
	case sizes:
		return words.Bytes(v)
	}
	return words.Rate(v)
}

// memberCharts are the members' figures that are drawn. Those with per are rates.
var memberCharts = [...]struct {
	metric, title string
	quantity      quantity
	per           string
}{
	{"cpu", "CPU", cores, ""},
	{"fsync_time", "Time in WAL fsync", seconds, "/s"},
	{"commit_time", "Time in backend commits", seconds, "/s"},
	{"proposals_pending", "Pending proposals", numbers, ""},
	{"rss", "Resident memory", sizes, ""},
	{"db_size", "Database size", sizes, ""},
	{"peer_sent", "Sent to peers", sizes, "/s"},
	{"client_sent", "Sent to clients", sizes, "/s"},
	{"disk_written", "Written to disk", sizes, "/s"},
	{"allocs", "Objects allocated", numbers, "/s"},
	{"gc_pause", "Garbage collection pauses", seconds, "/s"},
	{"watchers", "Watchers", numbers, ""},
}

// titleWith adds a unit to a title.
func titleWith(title, unit string) string {
	if unit == "" {
		return title
	}
	return title + " (" + unit + ")"
}
