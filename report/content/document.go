// Package content has the content of reports, for all formats: the operations that they show,
// and the sentences, cells and rows that documents become. A figure that two formats print is
// made here, once, so that the formats always agree. The formats decide the layout.
package content

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/etcdbench/etcdbench/results"
)

// A Document is a run's result with what else a report can show of the run.
type Document struct {
	*results.Run
	// Path is the run's directory or file, "" when it is not on disk.
	Path string
	// Intervals calls each with the run's intervals in their order and returns its
	// first error. It is nil when the intervals are not available.
	Intervals func(each func(*results.Interval) error) error
	// Views are pages about the run, for formats that can show pages.
	Views []View
	// Differences are pages about what differs from the first of several documents.
	Differences []View
	// Changes are the functions whose part of an operation differs most from that
	// in the first of several documents.
	Changes []ProfileChanges
}

// A View is a page made elsewhere, such as a flame graph. A report shows it whole,
// in a frame of its own.
type View struct {
	// Title is the heading above the frame.
	Title string
	// Caption is the sentence below the heading.
	Caption string
	// Page is a complete HTML document, and Height its height in pixels, 0 for an unknown one.
	Page   string
	Height int
}

// ProfileChanges is how much the functions in one kind of profile differ between
// two runs.
type ProfileChanges struct {
	// Title names the profile, such as "CPU time of all members".
	Title string
	// Unit is "nanoseconds", "bytes" or "goroutines", for each operation.
	Unit string
	// Functions begins with the sum of all functions, which has no name. The others
	// are in falling order of their change.
	Functions []FunctionChange
}

// A FunctionChange is one function's own part of an operation in two runs.
type FunctionChange struct {
	// Name is the function's name, "" for all functions together.
	Name string
	// Before and After are the function's part in the first and the second run, in
	// the unit of the ProfileChanges.
	Before, After float64
}

// ErrNoIntervals is the error for a document without intervals, in formats that
// are made of intervals.
var ErrNoIntervals = errors.New("this format needs the intervals of the run: give the run's directory, which contains its journal")

// EachInterval calls fn with every interval of the document and returns fn's first
// error. It returns ErrNoIntervals when the document has none.
func (d Document) EachInterval(fn func(*results.Interval) error) error {
	if d.Intervals == nil {
		return ErrNoIntervals
	}
	if err := d.Intervals(fn); errors.Is(err, fs.ErrNotExist) {
		return ErrNoIntervals
	} else if err != nil {
		return fmt.Errorf("read intervals: %w", err)
	}
	return nil
}
