package bench

import "github.com/etcdbench/etcdbench/results"

// Journal writes a run's header and intervals to disk as they arrive, so that a run that is
// killed loses at most the present interval.
type Journal struct{ Dir *results.Dir }

var _ Observer = Journal{}

// Start implements [Observer].
func (j Journal) Start(run *results.Run) error { return j.Dir.WriteStart(run) }

// Interval implements [Observer].
func (j Journal) Interval(i *results.Interval) error { return j.Dir.WriteInterval(i) }

// Finish implements [Observer]. It writes nothing: the caller writes the document, because it
// may still get warnings.
func (j Journal) Finish(*results.Run) error { return nil }
