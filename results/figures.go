package results

import (
	"fmt"
	"slices"
	"time"
)

// Sum adds up the operations for which of is true, in the phases for which covers is true. The
// throughput of the sum is over the length of these phases.
func (r *Run) Sum(covers func(phase string) bool, of func(o *Operation) bool) (Operation, error) {
	var s operationSum
	covers = EachOnce(covers)
	for i := range r.Operations {
		if o := &r.Operations[i]; of(o) && covers(o.Phase) {
			if err := s.add(o); err != nil {
				return Operation{}, err
			}
		}
	}
	return s.operation(r.Length(covers))
}

// CountByPhase adds up the counts of the operations for which of is true, by phase and without
// their times. The throughput is over the length of the phase.
func (r *Run) CountByPhase(of func(o *Operation) bool) map[string]Operation {
	sums, lengths := map[string]*operationSum{}, r.lengths()
	for i := range r.Operations {
		o := &r.Operations[i]
		if !of(o) {
			continue
		}
		if sums[o.Phase] == nil {
			sums[o.Phase] = &operationSum{}
		}
		sums[o.Phase].count(o)
	}
	counts := map[string]Operation{}
	for phase, s := range sums {
		s.op.Throughput = rate(s.op.Acknowledged(), lengths[phase])
		counts[phase] = s.op
	}
	return counts
}

// lengths returns the length of each phase.
func (r *Run) lengths() map[string]time.Duration {
	lengths := map[string]time.Duration{}
	for _, ph := range r.Phases {
		lengths[ph.Name] += ph.Length
	}
	return lengths
}

// EachOnce returns a function with the same results, which calls covers only once for each
// phase.
func EachOnce(covers func(phase string) bool) func(phase string) bool {
	known := map[string]bool{}
	return func(phase string) bool {
		is, ok := known[phase]
		if !ok {
			is = covers(phase)
			known[phase] = is
		}
		return is
	}
}

// Length returns the total length of the phases for which covers is true.
func (r *Run) Length(covers func(phase string) bool) (sum time.Duration) {
	for _, ph := range r.Phases {
		if covers(ph.Name) {
			sum += ph.Length
		}
	}
	return sum
}

// Measured adds up one kind of operation over the measured phases. An empty name means all
// kinds that were requested.
func (r *Run) Measured(op string) (Operation, error) {
	return r.Sum(r.Measures, func(o *Operation) bool { return o.Op == op || op == "" && !o.Arrived })
}

// WriteRate returns the writes per second that were acknowledged within the measured phases,
// and whether the run wrote anything.
func (r *Run) WriteRate() (perSecond float64, writes bool) {
	var s operationSum
	measures := EachOnce(r.Measures)
	for i := range r.Operations {
		if o := &r.Operations[i]; o.Write && measures(o.Phase) {
			s.count(o)
		}
	}
	length := r.Length(r.Measures)
	return rate(s.op.Acknowledged(), length), s.any && length > 0
}

// complete computes the derived figures of the operations. It keeps the throughput of a phase
// whose length is unknown.
func (r *Run) complete() error {
	lengths := r.lengths()
	for i := range r.Operations {
		o := &r.Operations[i]
		saved, length := o.Throughput, lengths[o.Phase]
		if err := o.Complete(length); err != nil {
			return fmt.Errorf("operation %s/%s: %w", Clip(o.Phase), Clip(o.Op), err)
		}
		if length <= 0 {
			o.Throughput = saved
		}
	}
	return nil
}

// Figures returns the figures by which runs are compared, by name: "throughput" per
// second; "error_rate", a share; "p50", "p99" and "p99.9" of the response time, in
// nanoseconds; the costs of one operation by the names of [CostFigures], and
// "network_bytes"; and "failover" in nanoseconds. They cover all measured operations
// that were requested, and all members together. A figure that the run does not resolve
// is left out.
func (r *Run) Figures() map[string]float64 {
	figures, _ := r.BoundedFigures()
	return figures
}

// BoundedFigures returns the figures of a run, see Figures, and reports which of them
// are lower bounds.
func (r *Run) BoundedFigures() (figures map[string]float64, atLeast map[string]bool) {
	figures, atLeast = map[string]float64{}, map[string]bool{}
	if all, err := r.Measured(""); err == nil {
		if all.Throughput > 0 {
			figures["throughput"] = all.Throughput
		}
		if all.Ended() > 0 {
			figures["error_rate"] = all.ErrorRate()
		}
		for _, q := range all.Percentiles(50, 99, 99.9) {
			if q.Resolved && q.Time > 0 {
				figures[q.Name()] = float64(q.Time)
			}
			if q.Resolved && q.AtLeast {
				atLeast[q.Name()] = true
			}
		}
	}
	r.addCosts(figures)
	if failover := r.failover(); failover > 0 {
		figures["failover"] = float64(failover)
	}
	return figures, atLeast
}

// addCosts adds the cost of one operation, summed over all members, in the measured phases.
func (r *Run) addCosts(figures map[string]float64) {
	if r.Server == nil {
		return
	}
	sums, operations := map[string]float64{}, 0.0
	for _, c := range r.Server.Cost {
		if c.Member != "" {
			continue
		}
		operations += float64(c.Operations)
		for name, v := range c.Figures {
			sums[name] += v * float64(c.Operations)
		}
	}
	peers, okPeers := sums["peer_bytes"]
	clients, okClients := sums["client_bytes"]
	if okClients && (okPeers || len(r.Cluster.Members) == 1) { // a single member has no peers
		sums["network_bytes"] = peers + clients
	}
	for name, sum := range sums {
		if operations > 0 && sum > 0 {
			figures[name] = sum / operations
		}
	}
}

// failover returns the median unavailability after the loss of the leader, and 0 for a run in
// which the leader was not lost.
func (r *Run) failover() time.Duration {
	var lost []time.Duration
	if r.Resilience != nil {
		for _, u := range r.Resilience.Outages {
			if slices.Contains(LostLeader(), u.Fault) {
				lost = append(lost, u.Length)
			}
		}
	}
	return NewFaultTimes("", lost).P50
}
