package results

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// HistoryRun is a run of a history, without its histograms.
type HistoryRun struct {
	Path string
	*Run
	// Values are the values that gates compare, see [Run.Figures]. AtLeast marks those that are
	// lower bounds.
	Values  map[string]float64
	AtLeast map[string]bool
}

// History reads the runs in a directory and its subdirectories, oldest first. It skips the runs
// of experiments, because they are parts of a comparison or a search and no series. Each file
// that is not a result, or that cannot be read, is skipped and returned as an error.
func History(dir string) (runs []HistoryRun, skipped []error, err error) {
	if exists(filepath.Join(dir, ExperimentFile)) {
		return nil, nil, fmt.Errorf("read history: %s is one experiment, not a history: give its parent directory", dir)
	}
	w := historyWalk{dir: dir, seen: map[string]bool{}}
	if err := filepath.WalkDir(dir, w.visit); err != nil {
		return nil, nil, fmt.Errorf("read history: %w", err)
	}
	runs, skipped = w.runs, w.skipped
	if len(runs) == 0 {
		none := fmt.Errorf("read history: %s contains no results", dir)
		if w.experiments > 0 {
			none = fmt.Errorf("read history: %s contains only results of experiments (%d)", dir, w.experiments)
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

// visit handles a file or a directory of the walk.
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
		return nil // the document is read instead of the journal
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

// forgetHistograms removes the histograms, which take most of a document's memory.
func (r *Run) forgetHistograms() {
	for i := range r.Operations {
		o := &r.Operations[i]
		for _, l := range o.latencies() {
			l.HDR = ""
		}
	}
	r.Validity.Generator.SendLag.HDR = ""
}

// Series identifies the runs whose figures can be compared over time: it contains everything in
// the plan, cluster and machine that affects a figure. It does not contain versions, the seed,
// the run's own prefix, and settings of comparisons.
func (r *Run) Series() string {
	plan := r.Plan
	plan.Seed, plan.Target, plan.Thresholds, plan.Scenario, plan.Prefix = 0, 0, nil, "", ""
	plan.Transport = plan.TransportUsed()
	plan.Mix = slices.Clone(plan.Mix)
	for i := range plan.Mix {
		plan.Mix[i].Prefix = strings.TrimPrefix(plan.Mix[i].Prefix, r.Plan.Prefix)
	}
	plan.Population = slices.Clone(plan.Population)
	for i := range plan.Population {
		plan.Population[i].Prefix = strings.TrimPrefix(plan.Population[i].Prefix, r.Plan.Prefix)
	}
	e := r.Environment
	disk := "unknown disk"
	if e.Disk != nil {
		disk = fmt.Sprintf("%s, in memory %v", e.Disk.FileSystem, e.Disk.Memory)
	}
	whole, err := json.Marshal(plan)
	if err != nil { // only for a number that JSON cannot represent, which no document contains
		whole = fmt.Appendf(nil, "%+v", plan)
	}
	settings := ""
	for _, name := range slices.Sorted(maps.Keys(r.Cluster.Settings)) {
		settings += fmt.Sprintf(" %s=%q", name, r.Cluster.Settings[name])
	}
	cluster := fmt.Sprintf("%s %d members, TLS %v%s", r.Cluster.Kind, len(r.Cluster.Members), r.Cluster.TLS, settings)
	machine := fmt.Sprintf("%s, GOMAXPROCS %d, GOGC %s, clock %s, memory limit %d, %s",
		e.Machine(), e.GOMAXPROCS, e.GOGC, e.ClockSource, e.MemoryLimit, disk)
	return fmt.Sprintf("%s %s, prefix of %d bytes | %s | %s | profiled %v",
		r.Plan.Workload, whole, len(r.Plan.Prefix), cluster, machine, r.Profiled())
}
