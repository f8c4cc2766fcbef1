package results

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// HistoryRun is a run among others, without its histograms.
type HistoryRun struct {
	Path string
	*Run
	// Values are what gates compare, see [Run.Figures].
	Values map[string]float64
}

// History reads the runs that lie in a directory, or in directories of it, oldest
// first. What is no result of ours, or is broken, is skipped, and said.
func History(dir string) (runs []HistoryRun, skipped []error, err error) {
	seen := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && path == dir:
			return err
		case err != nil:
			skipped = append(skipped, err)
			return nil
		}
		name := entry.Name()
		switch {
		case entry.IsDir() && (name == MembersDir || name == "data" || name == "profiles"):
			return fs.SkipDir
		case entry.IsDir() || name != RunFile && name != JournalFile:
			return nil
		}
		place := filepath.Dir(path)
		if seen[place] {
			return nil // the document is read, and its journal not
		}
		seen[place] = true
		run, err := Read(place)
		if err != nil {
			skipped = append(skipped, err)
			return nil
		}
		figures := run.Figures()
		run.forgetHistograms()
		runs = append(runs, HistoryRun{place, run, figures})
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("read history: %w", err)
	}
	if len(runs) == 0 {
		return nil, skipped, errors.Join(append([]error{fmt.Errorf("read history: %s holds no results", dir)}, skipped...)...)
	}
	slices.SortStableFunc(runs, func(a, b HistoryRun) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.ID, b.ID)) })
	return runs, skipped, nil
}

// forgetHistograms lets go of what takes most of a document's memory.
func (r *Run) forgetHistograms() {
	for i := range r.Operations {
		o := &r.Operations[i]
		for _, l := range []*Latency{&o.ResponseTime, &o.ServiceTime, &o.QueueTime, &o.FailedResponseTime, &o.UnfinishedResponseTime, &o.AllResponseTime} {
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
	for _, name := range keysOf(r.Cluster.Settings, nil) {
		settings += " " + name + "=" + r.Cluster.Settings[name]
	}
	plan := fmt.Sprintf("%s %v %d clients %d connections %s", r.Plan.Workload, r.Plan.Parameters, r.Plan.Clients, r.Plan.Conns, phasesText(r.Plan))
	for _, e := range r.Plan.Entries() {
		plan += fmt.Sprintf("; %s %s %g", e.Name, e.Workload, e.Weight)
		for _, name := range keysOf(e.Params, nil) {
			plan += " " + name + "=" + e.Params[name]
		}
	}
	return fmt.Sprintf("%s | %s %d members%s | %s | profiled %v", plan, r.Cluster.Kind, len(r.Cluster.Members), settings, r.Environment.Machine(), r.Profiled())
}
