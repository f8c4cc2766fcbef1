package agent

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// takeReport reads the result of the agent's share, and judges the agent's clock.
func (m *member) takeReport(data json.RawMessage) error {
	var b reportBody
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	run, err := results.Decode(b.Run)
	if err != nil {
		return err
	}
	m.run, m.drift = run, b.Offset.Ahead-m.offset.Ahead
	if limit := m.offset.Bound + b.Offset.Bound + boundDegraded; m.drift.Abs() > limit {
		addReason(run, results.Reason{
			Code: "clock-drift", Severity: results.Degraded, Value: m.drift.Seconds(), Limit: limit.Seconds(),
			Message: fmt.Sprintf("its clock moved by %v against the coordinator's", m.drift.Round(time.Microsecond)),
			Remedy:  "synchronize the clocks of the machines",
		})
	}
	if m.offset.Bound > boundDegraded {
		addReason(run, results.Reason{
			Code: "clock-offset", Severity: results.Degraded, Value: m.offset.Bound.Seconds(), Limit: boundDegraded.Seconds(),
			Message: fmt.Sprintf("its clock is known only to within %v: its arrivals may be shifted by as much",
				m.offset.Bound.Round(time.Microsecond)),
			Remedy: "use a network with shorter round trips to the coordinator",
		})
	}
	return nil
}

func addReason(run *results.Run, r results.Reason) {
	run.Validity.Reasons = append(run.Validity.Reasons, r)
	if run.Validity.Verdict == results.Valid {
		run.Validity.Verdict = r.Severity
	}
}

// count adds the numbers of an interval to the sums.
func (m *member) count(p bench.Plan, i *results.Interval) {
	run := results.Run{Plan: p}
	for _, o := range i.Operations {
		if o.Arrived {
			continue
		}
		m.offered += o.Offered
		if run.Measures(o.Phase) {
			m.measured += o.Offered
			m.acknowledged += o.Acknowledged()
		}
	}
}

// Reports implements [bench.Fleet].
func (f *fleet) Reports() []bench.Report {
	phases, known := bench.Planned(f.assignment.Plan)
	f.coordinator.mu.Lock()
	defer f.coordinator.mu.Unlock()
	var list []bench.Report
	for i, m := range f.members {
		share := bench.Share{Index: i, Count: len(f.members)}
		a := results.Agent{
			Index: i, Host: m.Host, Offset: m.offset.Ahead, OffsetBound: m.offset.Bound, Drift: m.drift, Failure: m.failure,
			Validity: results.Validity{Verdict: results.Invalid, Reasons: []results.Reason{}},
		}
		_, a.Clients = share.Divide(f.assignment.Plan.Clients)
		_, a.Conns = share.Divide(f.assignment.Plan.Conns)
		a.Offered, a.Acknowledged = m.measured, m.acknowledged
		if m.run != nil {
			m.describe(&a)
		}
		var planned uint64
		for _, n := range phases {
			planned += share.Below(n)
		}
		if known && !f.ended && planned > m.offered {
			a.NotOffered = planned - m.offered
			if a.Failure == "" && m.run != nil && !f.stopped {
				a.Failure = "it did not offer its whole share"
			}
		}
		list = append(list, bench.Report{Agent: a, Run: m.run, Evidence: m.evidence})
	}
	return list
}

// describe sets the fields that follow from the result of the agent's share.
func (m *member) describe(a *results.Agent) {
	a.Offered, a.Acknowledged = 0, 0
	for _, o := range m.run.Operations {
		if m.run.Measures(o.Phase) && !o.Arrived {
			a.Offered += o.Offered
			a.Acknowledged += o.Acknowledged()
		}
	}
	a.Validity = m.run.Validity
}

// warnings returns the warnings of all agents, one of each kind, and one about the agents that
// ended before the clean-up.
func (f *fleet) warnings() (list []results.Warning) {
	f.coordinator.mu.Lock()
	defer f.coordinator.mu.Unlock()
	for i, m := range f.members {
		found := m.warnings
		if m.failure == "" && !m.released {
			found = []results.Warning{{Code: bench.TeardownFailed, Message: cmp.Or(m.left, "it did not respond in time")}}
		}
		for _, w := range found {
			w.Message = fmt.Sprintf("agent %d: %s", i, w.Message)
			switch k := slices.IndexFunc(list, func(o results.Warning) bool { return o.Code == w.Code }); {
			case k < 0:
				list = append(list, w)
			case !strings.HasSuffix(list[k].Message, otherAgents):
				list[k].Message += otherAgents
			}
		}
	}
	return list
}

const otherAgents = "; other agents also"
