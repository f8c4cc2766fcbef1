package results

import (
	"slices"
	"time"
)

// Agent is one of several processes that generated a run's load together. Durations are
// as in the rest of the document.
type Agent struct {
	// Index is the index of its share, from 0.
	Index int    `json:"index"`
	Host  string `json:"host"`
	// Clients and Conns are its part of the plan's clients and connections.
	Clients int `json:"clients"`
	Conns   int `json:"conns"`
	// Offered and Acknowledged are its operations in the measured phases.
	Offered      uint64 `json:"offered"`
	Acknowledged uint64 `json:"acknowledged"`
	// NotOffered counts the operations of its share of the plan, in all phases, that it did not
	// offer. It is 0 if a closed loop leaves the number open.
	NotOffered uint64 `json:"not_offered,omitempty"`
	// Offset is the time by which its clock was ahead of the coordinator's at the start, with
	// an error of at most OffsetBound. Drift is the change of that time until the end.
	Offset      time.Duration `json:"clock_offset_ns"`
	OffsetBound time.Duration `json:"clock_offset_bound_ns"`
	Drift       time.Duration `json:"clock_drift_ns"`
	// Validity is the validity of the agent's share, from the agent's observations of itself
	// and its machine.
	Validity Validity `json:"validity"`
	// Failure is the reason why the agent did not finish its share; empty if it did.
	Failure string `json:"failure,omitempty"`
}

// Totals adds intervals up to the totals of a run, one at a time.
type Totals struct{ merger merger }

// NewTotals returns totals without any interval.
func NewTotals() *Totals { return &Totals{merger{sums: map[[2]string]*operationSum{}}} }

// Add adds the next interval. It returns an error for an invalid histogram, and for sizes that
// no run can have.
func (t *Totals) Add(i *Interval) error { return t.merger.add(i) }

// Operations returns the totals of each kind in each phase. Operations that were offered
// and have no outcome are unfinished.
func (t *Totals) Operations() ([]Operation, error) { return t.merger.operations() }

// Phases returns the phases of the intervals.
func (t *Totals) Phases() []Phase { return slices.Clone(t.merger.phases) }

// MergeIntervals adds up the measurements of several generators in one stretch of a run. Counts
// and histograms are added exactly. The pulse has the highest value of each figure.
func MergeIntervals(phase string, start, length time.Duration, list []*Interval) (*Interval, error) {
	sum := &Interval{Phase: phase, Start: start, Length: length, Operations: []Operation{}}
	sums := map[[2]string]*operationSum{}
	var order [][2]string
	moments := map[time.Duration]Moment{}
	for _, i := range list {
		sum.InFlight += i.InFlight
		sum.Queued += i.Queued
		sum.Generator = sum.Generator.max(i.Generator)
		for k := range i.Operations {
			o := &i.Operations[k]
			key := [2]string{o.Phase, o.Op}
			if sums[key] == nil {
				sums[key] = &operationSum{op: Operation{Errors: []ErrorClass{}}}
				order = append(order, key)
			}
			if err := sums[key].add(o); err != nil {
				return nil, err
			}
		}
		for _, m := range i.Moments {
			s := moments[m.At]
			moments[m.At] = Moment{
				At: m.At, Completed: s.Completed + m.Completed, Slow: s.Slow + m.Slow, Failed: s.Failed + m.Failed, Longest: max(s.Longest, m.Longest),
			}
		}
	}
	for _, key := range order {
		o, err := sums[key].operation(length)
		if err != nil {
			return nil, err
		}
		sum.Operations = append(sum.Operations, o)
	}
	for _, m := range moments {
		sum.Moments = append(sum.Moments, m)
	}
	slices.SortFunc(sum.Moments, func(a, b Moment) int { return int(a.At - b.At) })
	return sum, nil
}

// max returns the higher of each figure.
func (p Pulse) max(o Pulse) Pulse {
	return Pulse{
		CPU: max(p.CPU, o.CPU), Machine: max(p.Machine, o.Machine), Steal: max(p.Steal, o.Steal),
		Throttled: max(p.Throttled, o.Throttled), GCPause: max(p.GCPause, o.GCPause), SendLag: max(p.SendLag, o.SendLag),
		Stopped: max(p.Stopped, o.Stopped),
	}
}

// CheckInterval returns an error for an interval with times or counts that no run can have,
// because intervals of other processes are untrusted.
func CheckInterval(i *Interval) error { return checkInterval(i) }
