package bench

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// carried is the share of an open loop's arrivals that must be completed for
// its rate to count as carried: the rest is what is in flight at the end.
const carried = 0.999

// judgeTarget says where the run stands against its target.
func judgeTarget(run *results.Run) {
	t := &run.Target
	achieved, writes := run.WriteRate()
	t.Achieved = achieved
	planned, offered, completed, open := offeredWrites(run)
	switch {
	case len(run.Operations) == 0:
		t.Verdict, t.Reason = results.TargetUndecided, "nothing was measured"
	case !writes:
		t.Verdict, t.Reason = results.TargetNone, "the workload writes nothing"
	case t.Writes == 0:
		t.Verdict, t.Reason = results.TargetNone, "no target was set"
	case run.Outcome != results.Completed:
		t.Verdict, t.Reason = results.TargetUndecided, "the run did not come to its end"
	case run.Validity.Verdict == results.Invalid:
		t.Verdict, t.Reason = results.TargetUndecided, "the measurement is invalid"
	case achieved >= t.Writes, open && planned >= t.Writes*carried && completed >= offered*carried:
		t.Verdict = results.TargetMet
	case open && planned < t.Writes*carried:
		t.Verdict = results.TargetUndecided
		t.Reason = fmt.Sprintf("only %s writes/s were offered", humanize.Comma(int64(math.Round(planned))))
	default:
		t.Verdict = results.TargetMissed
	}
}

// offeredWrites returns the writes that the measured phases offered, per second
// and in all, how many of them were completed, and whether all came from open
// loops.
func offeredWrites(run *results.Run) (perSecond, offered, completed float64, open bool) {
	phases := map[string]PlanPhase{}
	for _, ph := range run.Plan.Phases {
		if !ph.Warmup {
			phases[ph.Name] = ph
		}
	}
	open = true
	for _, o := range run.Operations {
		if ph, ok := phases[o.Phase]; ok && o.Write {
			open = open && ph.Load.Open()
			offered += float64(o.Offered)
			completed += float64(o.Completed)
		}
	}
	var seconds float64
	for _, ph := range run.Phases {
		if _, ok := phases[ph.Name]; ok {
			seconds += ph.Length.Seconds()
		}
	}
	if seconds > 0 {
		perSecond = offered / seconds
	}
	return perSecond, offered, completed, open
}
