package content

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// ScaleTitle returns the subject of a scale experiment.
func ScaleTitle(s *results.Scale) string {
	content := ""
	if s.Values != "" && s.Values != "random" {
		content = " (" + words.Clean(s.Values) + ")"
	}
	return fmt.Sprintf("scale of %s: objects of %s%s, %s/s", words.Clean(s.Workload), ScaleSize(s.ObjectSize), content, words.Rate(s.Rate))
}

// ScaleSize prints an amount of data in the units in which sizes are asked for. It has three
// digits at most, so that a number of objects a little below 1 GB is 1.0 GB.
func ScaleSize(n int64) string {
	if n <= 0 {
		return humanize.Bytes(0)
	}
	step := math.Pow10(max(0, int(math.Log10(float64(n)))-2))
	return humanize.Bytes(uint64(math.Round(float64(n)/step) * step))
}

// ScaleValue prints a figure of a rung in its unit.
func ScaleValue(unit string, v float64) string {
	switch {
	case v <= 0:
		return "–"
	case unit == "bytes":
		return words.Bytes(v)
	}
	return words.Duration(int64(v))
}

// ScaleTable returns a table with a row for each figure and a column for each rung. The last
// two columns are how the figure grows with the size.
func ScaleTable(s *results.Scale) (head []string, rows [][]string) {
	head = []string{"data"}
	for _, r := range s.Rungs {
		head = append(head, ScaleSize(r.Size))
	}
	head = append(head, "growth per GB", "growth with size")
	add := func(name string, cell func(r *results.ScaleRung) string) {
		row := []string{name}
		for i := range s.Rungs {
			row = append(row, cell(&s.Rungs[i]))
		}
		rows = append(rows, append(row, scaleGrowth(s, name)...))
	}
	add("objects", func(r *results.ScaleRung) string { return words.Count(r.Objects) })
	add("file", func(r *results.ScaleRung) string { return ScaleValue("bytes", float64(r.Largest().File)) })
	add("file ÷ data", func(r *results.ScaleRung) string { return ratio(float64(r.Largest().File), float64(r.Size)) })
	add("memory", func(r *results.ScaleRung) string { return ScaleValue("bytes", float64(r.Largest().Resident)) })
	add("memory, peak", func(r *results.ScaleRung) string { return ScaleValue("bytes", float64(r.Largest().Peak)) })
	add("written to disks ÷ data written", func(r *results.ScaleRung) string { return ratio(r.WriteAmplification, 1) })
	add("CPU of an operation", func(r *results.ScaleRung) string { return ScaleValue("ns", r.Cost["cpu"]) })
	for _, name := range scaleNames(s, func(r *results.ScaleRung) (names []string) {
		for _, o := range r.Operations {
			names = append(names, o.Op)
		}
		return names
	}) {
		for _, p := range []string{"p50", "p99"} {
			add(words.Clean(name)+" "+p, func(r *results.ScaleRung) string { return scalePercentile(r, name, p) })
		}
	}
	for _, kind := range scaleNames(s, func(r *results.ScaleRung) (names []string) {
		for _, e := range r.Events {
			names = append(names, e.Kind)
		}
		return names
	}) {
		add(words.Clean(kind), func(r *results.ScaleRung) string {
			e, _ := r.Event(kind)
			if results.Recovers(kind) {
				return ScaleValue("ns", float64(e.Redundant))
			}
			return ScaleValue("ns", float64(e.Length))
		})
	}
	return head, rows
}

// scaleNames returns the names of all rungs, each once.
func scaleNames(s *results.Scale, of func(r *results.ScaleRung) []string) (names []string) {
	for i := range s.Rungs {
		for _, name := range of(&s.Rungs[i]) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func scalePercentile(r *results.ScaleRung, name, percentile string) string {
	o, _ := r.Operation(name)
	ns := o.P50
	if percentile == "p99" {
		ns = o.P99
	}
	return AtLeast(ScaleValue("ns", float64(ns)), slices.Contains(o.AtLeast, percentile))
}

func ratio(a, b float64) string {
	if !(a > 0 && b > 0) {
		return "–"
	}
	return words.ThreeDigits(a / b)
}

// scaleGrowth is the slope of a figure's line and the exponent of its power law, each with its
// interval; "" where there is none.
func scaleGrowth(s *results.Scale, figure string) []string {
	at := slices.IndexFunc(s.Fits, func(f results.ScaleFit) bool { return f.Figure == figure })
	if at < 0 {
		return []string{"", ""}
	}
	f := s.Fits[at]
	slope := ""
	if f.Line != nil {
		l := f.Line.PerGB
		slope = fmt.Sprintf("%s [%s, %s]", scaleSlope(f.Unit, l.Value), scaleSlope(f.Unit, l.Low), scaleSlope(f.Unit, l.High))
	}
	return []string{slope, fmt.Sprintf("size^%.2f [%.2f, %.2f]", f.Exponent.Value, f.Exponent.Low, f.Exponent.High)}
}

// scaleSlope prints a slope, which may be negative, in its unit.
func scaleSlope(unit string, v float64) string {
	if unit == "bytes" {
		return words.Bytes(v)
	}
	const least, most = 5, float64(math.MaxInt64 / 2)
	if math.Abs(v) < least { // which is printed as 0
		v = 0
	}
	return words.Duration(int64(min(max(v, -most), most)))
}

// ScaleFitNote explains the fits and gives their range.
func ScaleFitNote(s *results.Scale) string {
	if len(s.Fits) == 0 {
		return ""
	}
	return fmt.Sprintf("growth: slope of a line per 10⁹ bytes of data, and exponent of a power law, with 95 %% intervals, from %s; "+
		"not valid beyond %s", words.Plural(len(s.Rungs), "rung", "rungs"), ScaleSize(int64(s.Fits[0].Reach)))
}

// ScaleEvents returns a table with a row for each event. The last column is words.
func ScaleEvents(s *results.Scale) (head []string, rows [][]string) {
	head = []string{
		"data", "event", "length", "serving", "redundant", "throughput ÷ before", "p90 ÷ before", "p99 ÷ before", "longest response",
		"errors", "memory peak", "details",
	}
	for _, r := range s.Rungs {
		for _, e := range r.Events {
			row := []string{ScaleSize(r.Size), strings.TrimSpace(words.Clean(e.Kind) + " " + words.Clean(e.Member))}
			length := e.Length
			if e.Skipped != "" {
				length = 0
			}
			for _, d := range []time.Duration{length, e.Serving, e.Redundant} {
				row = append(row, ScaleValue("ns", float64(d)))
			}
			row = append(row, scaleEffect(e.Effect)...)
			rows = append(rows, append(row, ScaleValue("bytes", float64(e.Peak)), scaleWords(e)))
		}
	}
	return head, rows
}

func scaleEffect(e *results.ScaleEffect) []string {
	if e == nil {
		return []string{"–", "–", "–", "–", "–"}
	}
	return []string{
		ratio(e.During.Throughput, e.Before.Throughput), ratio(float64(e.During.P90), float64(e.Before.P90)),
		ratio(float64(e.During.P99), float64(e.Before.P99)),
		ScaleValue("ns", float64(e.Stall)), words.Percent(e.During.ErrorRate),
	}
}

func scaleWords(e results.ScaleEvent) string {
	var parts []string
	if e.Skipped != "" {
		parts = append(parts, "not measured: "+words.Clean(e.Skipped))
	}
	if e.Error != "" {
		parts = append(parts, "error: "+words.Clean(e.Error))
	}
	if e.FileBefore > 0 {
		parts = append(parts, "file "+words.Bytes(float64(e.FileBefore))+" → "+words.Bytes(float64(e.FileAfter)))
	}
	switch {
	case e.Bytes > 0 && e.Restored > 0:
		parts = append(parts, fmt.Sprintf("file of %s restored after %s, %s/s for each member",
			words.Bytes(float64(e.Bytes)), words.Duration(int64(e.Restored)), words.Bytes(float64(e.Bytes)/e.Restored.Seconds())))
	case e.Bytes > 0 && e.Length > 0:
		parts = append(parts, words.Bytes(float64(e.Bytes)/e.Length.Seconds())+"/s")
	}
	if e.Replayed > 0 {
		parts = append(parts, words.Count(e.Replayed)+" log entries read at the start")
	}
	switch {
	case e.Ended > 0 && e.Member == "":
		parts = append(parts, "all processes ended after "+words.Duration(int64(e.Ended)))
	case e.Ended > 0:
		parts = append(parts, "the process ended after "+words.Duration(int64(e.Ended)))
	case e.Promoted > 0:
		parts = append(parts, "promoted after "+words.Duration(int64(e.Promoted)))
	}
	if e.Detail != "" {
		parts = append(parts, words.Clean(e.Detail))
	}
	return strings.Join(parts, "; ")
}

// ScaleNotes returns the notes that precede the figures.
func ScaleNotes(s *results.Scale) (notes []string) {
	if s.Stopped != "" {
		notes = append(notes, words.Clean(s.Stopped))
	}
	for _, r := range s.Rungs {
		switch r.Validity {
		case results.Valid, "": // A rung that ended before its steady state has none.
		case results.Invalid:
			notes = append(notes, ScaleSize(r.Size)+": measurement invalid: the generator, not etcd, was the limit in the steady state")
		default:
			notes = append(notes, fmt.Sprintf("%s: the generator was %s", ScaleSize(r.Size), words.Clean(r.Validity)))
		}
		for _, f := range r.Findings {
			notes = append(notes, fmt.Sprintf("%s: %s", ScaleSize(r.Size), words.Clean(f)))
		}
	}
	for _, w := range s.Warnings {
		notes = append(notes, words.Clean(w.Message))
	}
	return notes
}
