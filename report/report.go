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
}

// Format writes documents in one way.
type Format struct {
	Name    string
	Summary string
	Write   func(w io.Writer, docs []Document) error
}

// All lists the formats.
func All() []Format {
	return []Format{
		{"text", "one screen for people", writeText},
		{"json", "the result document", writeJSON},
		{"html", "one page to look at, with charts, that needs nothing but itself", writeHTML},
		{"markdown", "a summary for the page of a CI job", writeMarkdown},
		{"csv", "a line for each operation in each second", writeCSV},
		{"hlog", "an HdrHistogram interval log, tagged by operation", writeHLog},
		{"hgrm", "percentile distributions for HdrHistogram's plotters", writeHGRM},
		{"benchfmt", "Go's benchmark format, for benchstat", writeBenchfmt},
		{"perfdash", "the JSON that etcd's own benchmark writes for perfdash", writePerfdash},
		{"openmetrics", "OpenMetrics text", writeOpenMetrics},
		{"junit", "JUnit XML: completed, validity, target, proof", writeJUnit},
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
