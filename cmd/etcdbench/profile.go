package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/profiles"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// shownProfiles are the profiles that reports draw and compare.
var shownProfiles = [...]struct{ kind, source, title string }{
	{profiles.CPU, "", "CPU time of all members"},
	{profiles.Heap, "", "Memory allocated by all members"},
	{profiles.Mutex, "", "Waiting for mutexes in all members"},
	{profiles.CPU, results.GeneratorSource, "CPU time of the generator"},
}

// readProfiles adds the profiles of its run to each document, and the differences from the
// first to all others. Read errors become warnings.
func readProfiles(docs []report.Document, draw bool) {
	for _, shown := range shownProfiles {
		var base *profiles.Set
		for i := range docs {
			set, err := profiles.Load(runDir(docs[i].Path), docs[i].Run, shown.kind, shown.source)
			if errors.Is(err, profiles.ErrNone) {
				continue
			}
			if err == nil && draw {
				err = addView(&docs[i].Views, shown.title, "", set)
			}
			if err == nil && base != nil {
				err = addDifference(&docs[i], shown.title, *base, set, draw)
			}
			if err != nil {
				docs[i].Warn("profile-unreadable", err.Error())
				continue
			}
			if i == 0 {
				base = &set
			}
		}
	}
}

// runDir returns the directory of a result that was named by the directory or by a file in it.
func runDir(path string) string {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return path
	}
	return filepath.Dir(path)
}

func addView(views *[]report.View, title, caption string, set profiles.Set) error {
	graph, err := profiles.FlameGraph(set)
	if err != nil {
		return err
	}
	if caption == "" {
		caption = fmt.Sprintf("Over %s operations.", humanize.Comma(int64(set.Operations)))
	}
	caption += " Click a box to zoom in, \"all\" to zoom out."
	*views = append(*views, report.View{Title: title, Caption: caption, Page: graph.Page, Height: graph.Height})
	return nil
}

func addDifference(d *report.Document, title string, base, set profiles.Set, draw bool) error {
	changes, err := profiles.Changes(base, set)
	if err != nil {
		return err
	}
	c := report.ProfileChanges{Title: title, Unit: profiles.Unit(set.Kind)}
	for _, change := range changes {
		c.Functions = append(c.Functions, report.FunctionChange(change))
	}
	d.Changes = append(d.Changes, c)
	if !draw {
		return nil
	}
	diff, err := profiles.Diff(base, set)
	if err != nil {
		return err
	}
	return addView(&d.Differences, title, "For the same number of operations. Red: more than before. Green: less than before.", diff)
}
