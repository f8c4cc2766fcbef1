package judge

import (
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// acknowledgements counts the acknowledged operations of each [results.MomentLength], by
// its number. A moment has the longest response time of its operations and not that of
// each: all that ended in one interval count when the last of them was acknowledged, so none
// counts too early.
type acknowledgements map[int64]uint32

func newAcknowledgements(intervals Intervals) (acknowledgements, error) {
	a := acknowledgements{}
	err := intervals(func(i *results.Interval) error {
		for _, m := range i.Moments {
			m.Each(func(m results.Moment) {
				if m.Completed > 0 {
					a[int64((m.At+m.Longest)/results.MomentLength)] += m.Completed
				}
			})
		}
		return nil
	})
	return a, err
}

// around returns the trace of a fault, see [results.Unavailability]. It ends with the last
// whole step before end.
func (a acknowledgements) around(fault, end time.Duration) []uint32 {
	from := (fault - results.TraceBefore).Truncate(results.MomentLength)
	steps := min((end-from)/results.TraceStep, results.TraceSteps)
	if steps <= 0 {
		return nil
	}
	const each = int64(results.TraceStep / results.MomentLength)
	trace, first := make([]uint32, steps), int64(from/results.MomentLength)
	for i := range trace {
		for k := range each {
			trace[i] += a[first+int64(i)*each+k]
		}
	}
	return trace
}

// medianTrace returns the median of each step over several faults, for as many steps as all
// of their traces have. Faults without a trace are left out.
func medianTrace(outages []detected) (median []float64) {
	steps := results.TraceSteps
	var traces [][]uint32
	for _, u := range outages {
		if len(u.Trace) > 0 {
			traces, steps = append(traces, u.Trace), min(steps, len(u.Trace))
		}
	}
	if len(traces) == 0 {
		return nil
	}
	values := make([]float64, len(traces))
	for step := range steps {
		for i, trace := range traces {
			values[i] = float64(trace[step])
		}
		median = append(median, stats.Median(slices.Clone(values)))
	}
	return median
}
