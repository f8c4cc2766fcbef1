// Package judge turns documents into verdicts: thresholds, gates and comparisons,
// changes in a history, probes and plans of a capacity search, recommendations of a
// tuning, and the causes of slow stretches.
//
// No verdict is based on completed operations only: failures, timeouts and drops count in each. A
// run that is not valid never passes. If the measurement does not decide a verdict, it
// is inconclusive, with a reason.
//
// The package reads documents and returns documents or parts of them. It neither measures
// nor prints; its statistics are those of results/stats.
package judge

import "github.com/etcdbench/etcdbench/results"

// Run is a saved run with its intervals.
type Run struct {
	*results.Run
	// Intervals is nil if the intervals are not available.
	Intervals Intervals
}

// Intervals calls each with every interval of a run, in order, and returns its first
// error.
type Intervals func(each func(*results.Interval) error) error
