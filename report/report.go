// Package report turns result documents into something to read. Every format
// is a pure function of the documents: it measures nothing, judges nothing and
// looks at no clock. Durations are printed with their unit; every other figure
// says what it counts.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// Document is a result and where it lies.
type Document struct {
	*results.Run
	// Path is the run's directory or file, "" when it is not on disk.
	Path string
	// Intervals goes through the run's seconds; nil when they are not at hand.
	Intervals func(each func(*results.Interval) error) error
	// Views are pages about the run that a page can show, Differences those about
	// what differs from the first of several documents.
	Views, Differences []View
	// Changes are the functions whose part of an operation differs most from that
	// in the first of several documents.
	Changes []ProfileChanges
}

// ProfileChanges is by how much the functions of one kind of profile differ.
type ProfileChanges struct {
	Title string
	// Unit is nanoseconds, bytes or goroutines, for each operation.
	Unit string
	// Functions begin with all of them together, without a name.
	Functions []FunctionChange
}

// FunctionChange is one function's own part of an operation in two runs.
type FunctionChange struct {
	Name          string
	Before, After float64
}

// Format writes documents in one way.
type Format struct {
	Name    string
	Summary string
	Write   func(w io.Writer, docs []Document) error
	// Files is the same as several files under names of their own; nil where a
	// format has none.
	Files func(docs []Document) ([]File, error)
}

// File is one file of a report.
type File struct {
	Name string
	Data []byte
}

// All lists the formats.
func All() []Format {
	return []Format{
		{Name: "text", Summary: "one screen for people", Write: writeText},
		{Name: "json", Summary: "the result document", Write: writeJSON},
		{Name: "html", Summary: "one page to look at, with charts, that needs nothing but itself", Write: writeHTML},
		{Name: "markdown", Summary: "a summary for the page of a CI job", Write: writeMarkdown},
		{Name: "csv", Summary: "a line for each operation in each second", Write: writeCSV},
		{Name: "hlog", Summary: "an HdrHistogram interval log, tagged by operation", Write: writeHLog},
		{Name: "hgrm", Summary: "percentile distributions for HdrHistogram's plotters", Write: writeHGRM},
		{Name: "benchfmt", Summary: "Go's benchmark format, for benchstat", Write: writeBenchfmt},
		{Name: "perfdash", Summary: "the JSON that etcd's own benchmark writes for perfdash", Write: writePerfdash, Files: perfdashFiles},
		{Name: "openmetrics", Summary: "OpenMetrics text", Write: writeOpenMetrics},
		{Name: "junit", Summary: "JUnit XML: completed, validity, target, proof", Write: writeJUnit},
	}
}

// Find returns the format of a name. The error lists the names there are.
func Find(name string) (Format, error) {
	var names []string
	for _, f := range All() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("unknown format %q: there are %q", name, names)
}

// Names lists the formats for a flag's help.
func Names() string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
