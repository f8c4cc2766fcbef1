package results

import (
	"fmt"
	"time"
)

// Sum adds up operations: the counts, the histograms, the counts of the workload
// and the errors. The throughput of the sum is over a stretch of that length.
// Fields that are equal in all operations, such as the phase or the name, are set in the sum.
func Sum(length time.Duration, ops ...Operation) (Operation, error) {
	var s operationSum
	for i := range ops {
		if err := s.add(&ops[i]); err != nil {
			return Operation{}, err
		}
	}
	return s.operation(length)
}

// operationSum is an incomplete sum of operations.
type operationSum struct {
	op        Operation
	latencies [5]latencySum
	any       bool
}

// parts returns the recorded latencies of an operation. The others are sums of them.
func (o *Operation) parts() [5]*Latency {
	return [5]*Latency{&o.ResponseTime, &o.ServiceTime, &o.QueueTime, &o.FailedResponseTime, &o.UnfinishedResponseTime}
}

func (s *operationSum) add(o *Operation) error {
	for k, l := range o.parts() {
		if err := s.latencies[k].add(*l); err != nil {
			return fmt.Errorf("operation %s/%s: %w", Clip(o.Phase), Clip(o.Op), err)
		}
	}
	s.count(o)
	for _, c := range o.Counts {
		s.op.Counts = addCount(s.op.Counts, c)
	}
	for _, e := range o.Errors {
		s.op.Errors = addError(s.op.Errors, e)
	}
	return nil
}

// count adds the figures without a histogram.
func (s *operationSum) count(o *Operation) {
	s.identify(o)
	t := &s.op
	t.Offered += o.Offered
	t.Completed += o.Completed
	t.Failed += o.Failed
	t.Dropped += o.Dropped
	t.Unfinished += o.Unfinished
	t.TimedOut += o.TimedOut
	t.CompletedLate += o.CompletedLate
	t.Inherited += o.Inherited
	t.Overdue += o.Overdue
	t.Overflow += o.Overflow
}

// identity returns an operation of the same kind with all counts 0.
func (o *Operation) identity() Operation {
	return Operation{Phase: o.Phase, Op: o.Op, Write: o.Write, Arrived: o.Arrived, Of: o.Of, Sign: o.Sign}
}

// identify keeps the fields that are equal in all operations of the sum.
func (s *operationSum) identify(o *Operation) {
	t := &s.op
	if !s.any {
		s.any = true
		errors := t.Errors
		*t = o.identity()
		t.Errors = errors
		return
	}
	if t.Phase != o.Phase {
		t.Phase = ""
	}
	if t.Op != o.Op {
		t.Op = ""
	}
	if t.Of != o.Of {
		t.Of = ""
	}
	if t.Sign != o.Sign {
		t.Sign = 0
	}
	t.Write, t.Arrived = t.Write && o.Write, t.Arrived && o.Arrived
}

// operation returns the sum.
func (s *operationSum) operation(length time.Duration) (Operation, error) {
	o := s.op
	for k, l := range o.parts() {
		var err error
		if *l, err = s.latencies[k].latency(); err != nil {
			return Operation{}, err
		}
	}
	return o, o.Complete(length)
}

// Complete sets the derived figures of an operation: the throughput over a stretch of that
// length, and the response times of all.
func (o *Operation) Complete(length time.Duration) (err error) {
	o.Throughput = rate(o.Acknowledged(), length)
	o.AllResponseTime, err = MergeLatency(o.ResponseTime, o.FailedResponseTime)
	return err
}

// Acknowledged returns the number of operations that were completed within the phase,
// regardless of the phase of their arrival.
func (o *Operation) Acknowledged() uint64 {
	return o.Completed - min(o.CompletedLate, o.Completed) + o.Inherited
}

// Goodput returns the part of the throughput that was completed within the request
// timeout from its intended time, per second.
func (o *Operation) Goodput() float64 {
	acknowledged := o.Acknowledged()
	if acknowledged == 0 {
		return 0
	}
	return o.Throughput * float64(acknowledged-min(o.Overdue, acknowledged)) / float64(acknowledged)
}

func rate(n uint64, length time.Duration) float64 {
	if length <= 0 {
		return 0
	}
	return float64(n) / length.Seconds()
}

func addCount(counts []Count, c Count) []Count {
	for i := range counts {
		if counts[i].Name == c.Name {
			counts[i].Count += c.Count
			return counts
		}
	}
	return append(counts, c)
}

func addError(errs []ErrorClass, e ErrorClass) []ErrorClass {
	for i := range errs {
		if errs[i].Code == e.Code && errs[i].Etcd == e.Etcd {
			errs[i].Count += e.Count
			return errs
		}
	}
	return append(errs, e)
}

// Ended returns the number of operations with an outcome. Over a whole phase, that is all
// offered operations; in an interval, others may be in progress.
func (o Operation) Ended() uint64 { return o.Completed + o.NotCompleted() }

// NotCompleted returns the number of operations that failed, were dropped or did not finish.
func (o Operation) NotCompleted() uint64 { return o.Failed + o.Dropped + o.Unfinished }

// ErrorRate returns the number of operations that failed, were dropped or did not finish, as a
// share of those with an outcome. It is 0 if there are none.
func (o Operation) ErrorRate() float64 {
	if o.Ended() == 0 {
		return 0
	}
	return float64(o.NotCompleted()) / float64(o.Ended())
}

// Percentile returns a percentile (0–100) of the response time, with unfinished
// operations as lower bounds.
func (o Operation) Percentile(p float64) Percentile { return o.Percentiles(p)[0] }

// Percentiles returns several percentiles of the response time.
func (o Operation) Percentiles(ps ...float64) []Percentile {
	list := o.ResponseTime.Percentiles(ps...)
	for i := range list {
		list[i] = list[i].Above(o.UnfinishedResponseTime)
	}
	return list
}

// Above marks the percentile as a lower bound if the bounds, which are a part of the
// distribution, reach into it.
func (q Percentile) Above(bounds Latency) Percentile {
	q.AtLeast = bounds.Count > 0 && int64(q.Time) >= bounds.Min
	return q
}

// LowerBounds returns the names of the response time's figures that are lower bounds:
// percentiles that are resolved, the mean and the maximum.
func (o Operation) LowerBounds() []string {
	if o.UnfinishedResponseTime.Count == 0 {
		return nil
	}
	names := []string{"mean", "max"}
	for _, q := range o.Percentiles(savedPercentiles[:]...) {
		if q.Resolved && q.AtLeast {
			names = append(names, q.Name())
		}
	}
	return names
}
