package results

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Rebuild makes a result from a journal alone. Its outcome is partial: what
// the last second held, and everything after, is lost.
func Rebuild(journal io.Reader) (*Run, error) {
	var run *Run
	m := merger{sums: map[[2]string]*sum{}}
	err := ReadJournal(journal,
		func(r *Run) error { run = r; return nil },
		m.add)
	if err != nil {
		return nil, err
	}
	if run == nil {
		return nil, errors.New("journal is empty")
	}
	run.Outcome = Partial
	run.Reason = "rebuilt from the journal: the run did not come to its end"
	run.Phases = append(run.Phases, m.phases...)
	run.Events = m.events
	if run.Operations, err = m.operations(); err != nil {
		return nil, err
	}
	run.Validity = Validity{Verdict: Invalid, Reasons: []Reason{{
		Code: "partial", Severity: Invalid,
		Message: "the run did not come to its end, so the generator was not judged",
	}}}
	run.Target.Verdict, run.Target.Reason = TargetUndecided, "the run did not come to its end"
	run.Target.Achieved, _ = run.WriteRate()
	return run, nil
}

// merger adds intervals up, one at a time, so that a journal of days needs no
// more memory than one of a minute.
type merger struct {
	phases []Phase
	events []Event
	sums   map[[2]string]*sum
	order  [][2]string
}

type sum struct {
	op    Operation
	hists [5]*hdrhistogram.Histogram
}

func latencies(o *Operation) [5]*Latency {
	return [5]*Latency{&o.ResponseTime, &o.ServiceTime, &o.QueueTime,
		&o.FailedResponseTime, &o.UnfinishedResponseTime}
}

func (m *merger) add(i *Interval) error {
	if n := len(m.phases); n == 0 || m.phases[n-1].Name != i.Phase {
		m.phases = append(m.phases, Phase{Name: i.Phase, Start: i.Start})
	}
	last := &m.phases[len(m.phases)-1]
	last.Length = i.Start + i.Length - last.Start
	m.events = append(m.events, i.Events...)
	for k := range i.Operations {
		o := &i.Operations[k]
		key := [2]string{o.Phase, o.Op}
		s := m.sums[key]
		if s == nil {
			s = &sum{op: Operation{Phase: o.Phase, Op: o.Op, Write: o.Write, Arrived: o.Arrived, Of: o.Of, Sign: o.Sign, Errors: []ErrorClass{}}}
			for h := range s.hists {
				s.hists[h] = NewHistogram()
			}
			m.sums[key] = s
			m.order = append(m.order, key)
		}
		if err := s.add(o); err != nil {
			return fmt.Errorf("operation %s/%s: %w", clip(o.Phase), clip(o.Op), err)
		}
	}
	return nil
}

func (s *sum) add(o *Operation) error {
	for k, l := range latencies(o) {
		h, err := l.Histogram()
		if err != nil {
			return err
		}
		s.hists[k].Merge(h)
	}
	t := &s.op
	t.Offered += o.Offered
	t.Completed += o.Completed
	t.Failed += o.Failed
	t.Dropped += o.Dropped
	t.Unfinished += o.Unfinished
	t.TimedOut += o.TimedOut
	t.CompletedLate += o.CompletedLate
	t.Overflow += o.Overflow
	for _, c := range o.Counts {
		t.Counts = addCount(t.Counts, c)
	}
	for _, e := range o.Errors {
		t.Errors = addError(t.Errors, e)
	}
	return nil
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

func (m *merger) operations() ([]Operation, error) {
	length := map[string]time.Duration{}
	for _, p := range m.phases {
		length[p.Name] += p.Length
	}
	var ops []Operation
	for _, key := range m.order {
		s := m.sums[key]
		for k, l := range latencies(&s.op) {
			var err error
			if *l, err = NewLatency(s.hists[k]); err != nil {
				return nil, err
			}
		}
		var err error
		s.op.AllResponseTime, err = MergeLatency(s.op.ResponseTime, s.op.FailedResponseTime, s.op.UnfinishedResponseTime)
		if err != nil {
			return nil, err
		}
		o := s.op
		// What was sent and never answered is unfinished.
		if known := o.Completed + o.Failed + o.Dropped + o.Unfinished; o.Offered > known {
			o.Unfinished += o.Offered - known
		} else {
			o.Offered = known
		}
		if sec := length[o.Phase].Seconds(); sec > 0 {
			o.Throughput = float64(o.Completed-min(o.CompletedLate, o.Completed)) / sec
		}
		ops = append(ops, o)
	}
	return ops, nil
}
