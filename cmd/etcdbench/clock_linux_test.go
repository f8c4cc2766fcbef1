package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Further agents that want to join in the middle of a run: with an index that another one has, and
// with any index.
const (
	joinTwice = "join-twice"
	joinLate  = "join-late"
)

// refusals are the reasons for which further agents end.
var refusals = map[string]string{joinTwice: "another agent has the index 0", joinLate: "the run already has its 2 agents"}

// checkWhole sees that the fault has had no effect on the run: it completes with all of its load, a
// wrong clock is known, and a further agent is refused. It returns a line for the table.
func (tr *trial) checkWhole() string {
	t := tr.t
	want := map[string][]int{"agent0": {0}, "agent1": {0}, "coordinator": {0, exitInvalid}} // of a machine with other work
	text := fmt.Sprintf("%s: %v", tr.load, tr.fault)
	if further := tr.processes["further"]; further != nil {
		want["further"] = []int{exitFailed}
		code := further.code(t, tr.at.Add(hangLimit))
		text += fmt.Sprintf(" after %.1f s: refused %.1f s later", tr.at.Sub(tr.began).Seconds(), further.at.Sub(tr.at).Seconds())
		if log := further.text(); !strings.Contains(log, refusals[tr.what]) {
			t.Errorf("the further agent ended with %d: %s", code, log)
		}
	}
	for name, codes := range want {
		if code := tr.processes[name].code(t, tr.began.Add(trialLoad+hangLimit)); !slices.Contains(codes, code) {
			t.Errorf("%s ended with %d, want one of %v: %s", name, code, codes, tr.processes[name].text())
		}
	}
	run, err := results.Read(filepath.Join(tr.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	if run.Outcome != results.Completed {
		t.Errorf("the run is %s", run.Outcome)
	}
	for i, a := range run.Agents {
		if a.Failure != "" || a.NotOffered > 0 {
			t.Errorf("agent %+v", a)
		}
		if tr.what == "clock" && tr.host == fmt.Sprintf("agent%d", i) {
			text += fmt.Sprintf(": measured %v ± %v, drift %v", a.Offset, a.OffsetBound, a.Drift)
			tr.checkClock(a)
		}
	}
	tr.nothingLeft()
	return fmt.Sprintf("%s; %s, %s", text, run.Outcome, run.Validity.Verdict)
}

// checkClock sees that the offset of a wrong clock is in the measured bounds, and that its drift is
// not taken for a fault.
func (tr *trial) checkClock(a results.Agent) {
	most := tr.ahead + gain(time.Since(tr.began)+time.Minute) // it began within a minute before the load
	if a.Offset < tr.ahead-a.OffsetBound || a.Offset > most+a.OffsetBound {
		tr.t.Errorf("the clock is ahead by %v to %v, but %v ± %v was measured", tr.ahead, most, a.Offset, a.OffsetBound)
	}
	if slices.ContainsFunc(a.Validity.Reasons, func(r results.Reason) bool { return r.Code == "clock-drift" }) {
		tr.t.Errorf("the drift %v is a reason: %+v", a.Drift, a.Validity)
	}
}
