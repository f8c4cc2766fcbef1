// Package report turns result documents into something to read. Every format
// is a pure function of the documents: it measures nothing, judges nothing and
// looks at no clock. Durations are printed with their unit; every other figure
// says what it counts.
//
// A format is a file here, or the package html, and a line in All, Verdicts,
// Capacities, Tunings or Scales. What several formats say is in the package content, and
// how single values are printed in the package words.
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/html"
)

// What reports are made from, for callers of this package.
type (
	// Document is a run's result with what else a report can show of the run.
	Document = content.Document
	// View is a page made elsewhere, such as a flame graph.
	View = content.View
	// ProfileChanges is how much the functions in one kind of profile differ between
	// two runs.
	ProfileChanges = content.ProfileChanges
	// FunctionChange is one function's own part of an operation in two runs.
	FunctionChange = content.FunctionChange
	// Compared is a comparison of saved results, with the results themselves.
	Compared      = content.Compared
	ScaleCompared = content.ScaleCompared
)

// A Format writes documents in one way.
type Format struct {
	// Name is what users call the format.
	Name string
	// Summary says in a few words what the format is, for help.
	Summary string
	// Write writes documents to w, one after the other or side by side.
	Write func(w io.Writer, docs []Document) error
	// Files returns the same as several files with names of their own. It is nil for
	// formats that are always one file.
	Files func(docs []Document) ([]File, error)
}

// A File is one file of a report.
type File struct {
	// Name is the file's name, without a directory.
	Name string
	// Data is the file's content.
	Data []byte
}

// All returns the formats of runs.
func All() []Format {
	return []Format{
		{Name: "text", Summary: "one screen for people", Write: writeText},
		{Name: "json", Summary: "the result document", Write: writeJSON},
		{Name: "html", Summary: "one page to look at, with charts, that needs nothing but itself", Write: html.Write},
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

// Find returns the format of a name. Its error lists the names.
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

// Names returns the names of the formats for a flag's help.
func Names() string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
