// Package judge turns documents into verdicts: thresholds, gates and comparisons,
// changes in a history, probes and plans of a capacity search, recommendations of a
// tuning, and the causes of slow stretches.
//
// No verdict looks at survivors only: failures, timeouts and drops count in each. A
// run that is not valid passes nothing. A verdict that the measurement does not decide
// is inconclusive, and says why.
//
// The package reads documents and returns documents or parts of them. It measures
// nothing and prints nothing; its statistics are those of results/stats.
package judge

import "github.com/etcdbench/etcdbench/results"

// Run is a saved run with its intervals.
type Run struct {
	*results.Run
	// Intervals is nil where the intervals are not available.
	Intervals Intervals
}

// Intervals calls each with every interval of a run, in order, and returns its first
// error.
type Intervals func(each func(*results.Interval) error) error
