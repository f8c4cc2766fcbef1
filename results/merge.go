package results

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Rebuild returns a result from a journal alone. Its outcome is partial: the measurements after
// the last interval are lost.
func Rebuild(journal io.Reader) (*Run, error) {
	var run *Run
	m := merger{sums: map[[2]string]*operationSum{}}
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
	run.Reason = "rebuilt from the journal: the run did not complete"
	run.Phases = append(run.Phases, m.phases...)
	run.Events = m.events
	if err := checkPhases(m.phases); err != nil {
		return nil, err
	}
	if run.Operations, err = m.operations(); err != nil {
		return nil, err
	}
	run.Validity = Validity{Verdict: Invalid, Reasons: []Reason{{
		Code: "partial", Severity: Invalid,
		Message: "the run did not complete, so the generator was not judged",
	}}}
	run.Target.Verdict, run.Target.Reason = TargetUndecided, "the run did not complete"
	run.Target.Achieved, _ = run.WriteRate()
	return run, nil
}

// merger adds up intervals one at a time, so that a journal of days needs no more memory than
// one of a minute.
type merger struct {
	phases []Phase
	events []Event
	sums   map[[2]string]*operationSum
	order  [][2]string
	end    time.Duration
	size   int // the approximate size of the merger in bytes
}

func (m *merger) add(i *Interval) error {
	if n := len(m.phases); n == 0 || m.phases[n-1].Name != i.Phase {
		m.phases = append(m.phases, Phase{Name: i.Phase, Start: i.Start})
		m.size += 64 + len(i.Phase)
	}
	last := &m.phases[len(m.phases)-1]
	m.end = i.Start + i.Length
	last.Length = m.end - last.Start
	m.events = append(m.events, i.Events...)
	for _, e := range i.Events {
		m.size += 128 + len(e.Kind) + len(e.Detail) + len(e.Error)
	}
	for k := range i.Operations {
		o := &i.Operations[k]
		key := [2]string{o.Phase, o.Op}
		s := m.sums[key]
		if s == nil {
			s = &operationSum{}
			s.op.Errors = []ErrorClass{}
			m.sums[key] = s
			m.order = append(m.order, key)
		} else {
			m.size -= s.size()
		}
		if err := s.add(o); err != nil {
			return err
		}
		if m.size += s.size(); m.size > maxTotals {
			break
		}
		if err := checkCounts([]Operation{s.op}); err != nil {
			return err
		}
	}
	if m.size > maxTotals {
		return fmt.Errorf("phases, operations and events exceed the limit of %d MiB", maxTotals>>20)
	}
	return nil
}

func (m *merger) operations() ([]Operation, error) {
	length, ends := map[string]time.Duration{}, map[string]time.Duration{}
	for _, p := range m.phases {
		length[p.Name] += p.Length
		ends[p.Name] = p.Start + p.Length
	}
	var ops []Operation
	for _, key := range m.order {
		s := m.sums[key]
		t := &s.op
		if t.Offered > t.Ended() {
			// An operation that was sent and never answered was in flight since the phase's end at the
			// latest.
			lost, err := boundsOf(t.Offered-t.Ended(), m.end-ends[t.Phase])
			if err != nil {
				return nil, fmt.Errorf("operation %s/%s: %w", Clip(t.Phase), Clip(t.Op), err)
			}
			kind := t.identity()
			kind.Unfinished, kind.ResponseTime, kind.UnfinishedResponseTime = t.Offered-t.Ended(), lost, lost
			if err := s.add(&kind); err != nil {
				return nil, err
			}
		}
		t.Offered = t.Ended()
		o, err := s.operation(length[t.Phase])
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// boundsOf returns the response times of n unfinished operations, each of which was in progress
// for at least the given time.
func boundsOf(n uint64, least time.Duration) (Latency, error) {
	h := NewHistogram()
	if n > 1<<48 {
		return Latency{}, fmt.Errorf("%d operations without an outcome are more than there can be", n)
	}
	if err := h.RecordValues(min(max(0, int64(least)), HighestTime), int64(n)); err != nil {
		return Latency{}, err
	}
	return NewLatency(h)
}
