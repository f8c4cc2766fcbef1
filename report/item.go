package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// An Item is one part of a report: runs, which are printed together, or else the
// document of a gate or of an experiment.
type Item struct {
	Runs  []Document
	Saved results.Saved
}

// joinable are the formats in which items can follow each other.
var joinable = []string{"text", "markdown"}

// CheckItems returns an error if the format has no form for the items: for a gate or an
// experiment, or for several items in one report.
func CheckItems(format string, items []Item) error {
	if _, err := Find(format); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	for _, i := range items {
		if len(i.Runs) > 0 {
			continue
		}
		if formats := savedFormats(i.Saved.Kind); !slices.Contains(formats, format) {
			return fmt.Errorf("--format %s is for runs, and %s is %s: use %s",
				format, words.Clean(i.Saved.Path), i.Saved.Kind.Name(), strings.Join(formats, ", "))
		}
	}
	if len(items) > 1 && !slices.Contains(joinable, format) {
		return fmt.Errorf("--format %s cannot combine runs with gates or experiments: report them one by one, or use %s",
			format, strings.Join(joinable, " or "))
	}
	return nil
}

// savedFormats returns the names of the formats of a kind of document.
func savedFormats(kind results.Kind) []string {
	switch kind {
	case results.KindVerdict:
		return strings.Split(Verdicts().Names(), ", ")
	case results.KindCapacity:
		return strings.Split(Capacities().Names(), ", ")
	case results.KindTuning:
		return strings.Split(Tunings().Names(), ", ")
	case results.KindPublished:
		return strings.Split(Comparisons().Names(), ", ")
	case results.KindScale:
		return strings.Split(Scales().Names(), ", ")
	}
	return nil
}

// WriteItems writes items in one format, one after the other. See [CheckItems].
func WriteItems(w io.Writer, format string, items []Item) error {
	if err := CheckItems(format, items); err != nil {
		return err
	}
	if len(items) == 1 {
		return items[0].write(w, format)
	}
	var b strings.Builder
	for i, item := range items {
		if i > 0 {
			b.WriteString("\n")
		}
		if err := item.write(on(w, &b), format); err != nil {
			return err
		}
	}
	if format == "markdown" {
		return writeCut(w, b.String())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (i Item) write(w io.Writer, format string) error {
	switch s := i.Saved; {
	case len(i.Runs) > 0:
		f, err := Find(format)
		if err != nil {
			return err
		}
		return f.Write(w, i.Runs)
	case s.Verdict != nil:
		return writeIn(w, Verdicts(), format, s.Verdict)
	case s.Capacity != nil:
		return writeIn(w, Capacities(), format, s.Capacity)
	case s.Tuning != nil:
		return writeIn(w, Tunings(), format, s.Tuning)
	case s.Published != nil:
		return writeIn(w, Comparisons(), format, s.Published)
	case s.Scale != nil:
		return writeIn(w, Scales(), format, s.Scale)
	}
	return errors.New("report: an item without a document")
}

func writeIn[J Judgement](w io.Writer, formats FormatsOf[J], format string, judgement J) error {
	f, err := formats.Find(format)
	if err != nil {
		return err
	}
	return f.Write(w, judgement)
}
