package bench

import "github.com/etcdbench/etcdbench/results"

// Journal keeps a run's header and intervals on disk as they come, so that a
// run that is killed loses the present second at most.
type Journal struct{ Dir *results.Dir }

var _ Observer = Journal{}

// Start implements [Observer].
func (j Journal) Start(run *results.Run) error { return j.Dir.WriteStart(run) }

// Interval implements [Observer].
func (j Journal) Interval(i *results.Interval) error { return j.Dir.WriteInterval(i) }

// Finish implements [Observer]. The document is its owner's to write: it may
// still get warnings.
func (j Journal) Finish(*results.Run) error { return nil }
