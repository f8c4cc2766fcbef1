package results

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
)

// HistoryRun is a run among others, without its histograms.
type HistoryRun struct {
	Path string
	*Run
	// Values are what gates compare, see [Run.Figures]. AtLeast says which of them are
	// lower bounds.
	Values  map[string]float64
	AtLeast map[string]bool
}

// History reads the runs that lie in a directory, or in directories of it, oldest
// first. Experiments are passed over: their runs are parts of a comparison or a search,
// and no series. What is no result, or cannot be read, is skipped and returned as an
// error each.
func History(dir string) (runs []HistoryRun, skipped []error, err error) {
	if exists(filepath.Join(dir, ExperimentFile)) {
		return nil, nil, fmt.Errorf("read history: %s is one experiment, whose runs are no history: name the directory above it", dir)
	}
	w := historyWalk{dir: dir, seen: map[string]bool{}}
	if err := filepath.WalkDir(dir, w.visit); err != nil {
		return nil, nil, fmt.Errorf("read history: %w", err)
	}
	runs, skipped = w.runs, w.skipped
	if len(runs) == 0 {
		none := fmt.Errorf("read history: %s holds no results", dir)
		if w.experiments > 0 {
			none = fmt.Errorf("read history: %s holds no results but those of experiments (%d)", dir, w.experiments)
		}
		return nil, skipped, errors.Join(append([]error{none}, skipped...)...)
	}
	slices.SortStableFunc(runs, func(a, b HistoryRun) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) })
	return runs, skipped, nil
}

// historyWalk collects the runs of a directory.
type historyWalk struct {
	dir         string
	seen        map[string]bool // directories whose run was read
	runs        []HistoryRun
	skipped     []error
	experiments int
}

// visit takes a file or a directory of the walk.
func (w *historyWalk) visit(path string, entry fs.DirEntry, err error) error {
	switch {
	case err != nil && path == w.dir:
		return err
	case err != nil:
		w.skipped = append(w.skipped, err)
		return nil
	}
	name := entry.Name()
	switch {
	case entry.IsDir() && (name == MembersDir || name == "data" || name == "profiles"):
		return fs.SkipDir
	case entry.IsDir() && path != w.dir && exists(filepath.Join(path, ExperimentFile)):
		w.experiments++
		return fs.SkipDir
	case entry.IsDir() || name != RunFile && name != JournalFile:
		return nil
	}
	place := filepath.Dir(path)
	if w.seen[place] {
		return nil // the document is read, and its journal not
	}
	w.seen[place] = true
	run, err := Read(place)
	if err != nil {
		w.skipped = append(w.skipped, err)
		return nil
	}
	figures, atLeast := run.BoundedFigures()
	run.forgetHistograms()
	w.runs = append(w.runs, HistoryRun{place, run, figures, atLeast})
	return nil
}

// forgetHistograms lets go of what takes most of a document's memory.
func (r *Run) forgetHistograms() {
	for i := range r.Operations {
		o := &r.Operations[i]
		for _, l := range o.latencies() {
			l.HDR = ""
		}
	}
	r.Validity.Generator.SendLag.HDR = ""
}

// Series names what must be the same for two runs' figures to be of one kind:
// plan, cluster without its version, and machine. Runs of one series can be
// compared over time.
func (r *Run) Series() string {
	settings := ""
	for _, name := range slices.Sorted(maps.Keys(r.Cluster.Settings)) {
		settings += " " + name + "=" + r.Cluster.Settings[name]
	}
	plan := fmt.Sprintf("%s %v %d clients %d connections %s",
		r.Plan.Workload, r.Plan.Parameters, r.Plan.Clients, r.Plan.Conns, r.Plan.DescribePhases())
	for _, e := range r.Plan.Entries() {
		plan += fmt.Sprintf("; %s %s %g", e.Name, e.Workload, e.Weight)
		for _, name := range slices.Sorted(maps.Keys(e.Params)) {
			plan += " " + name + "=" + e.Params[name]
		}
	}
	return fmt.Sprintf("%s | %s %d members%s | %s | profiled %v",
		plan, r.Cluster.Kind, len(r.Cluster.Members), settings, r.Environment.Machine(), r.Profiled())
}
