// Package report converts result documents to reports. Every format is a pure function of the
// documents: it does not measure, judge or read a clock. Durations are printed with their
// unit, and every other figure with its quantity.
//
// A format is a file here, or the package html, and a line in All, Verdicts, Capacities,
// Tunings or Scales. The content that several formats share is in the package content, and the
// format of single values in the package words.
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
	Compared = content.Compared
	// ScaleCompared is a comparison of ladders of data sizes.
	ScaleCompared = content.ScaleCompared
)

// A Format writes documents in one way.
type Format struct {
	// Name is what users call the format.
	Name string
	// Summary describes the format in a few words, for help.
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
		{Name: "text", Summary: "a summary for the terminal", Write: writeText},
		{Name: "json", Summary: "the result document", Write: writeJSON},
		{Name: "html", Summary: "a self-contained page with charts", Write: html.Write},
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
	return Format{}, fmt.Errorf("unknown format %q: use %s", name, strings.Join(names, ", "))
}

// Names returns the names of the formats for a flag's help.
func Names() string {
	var names []string
	for _, f := range All() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
