package bench

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// sustained is the share of an open loop's arrivals that must be acknowledged within the
// measured window for its rate to count as sustained. Operations that are in flight at the
// window's end and completed after it count as well, up to the share inFlight of the arrivals.
// A run without a warm-up has nothing in flight at its start that would compensate for them.
const sustained, inFlight = 0.999, 0.01

// judgeTarget compares the run with its target.
func judgeTarget(run *results.Run) {
	t := &run.Target
	achieved, writes := run.WriteRate()
	t.Achieved = achieved
	planned, offered, acknowledged, open := offeredWrites(run)
	switch {
	case len(run.Operations) == 0:
		t.Verdict, t.Reason = results.TargetUndecided, "nothing was measured"
	case !writes:
		t.Verdict, t.Reason = results.TargetNone, "the workload writes nothing"
	case t.Writes == 0:
		t.Verdict, t.Reason = results.TargetNone, "no target was set"
	case run.Outcome != results.Completed:
		t.Verdict, t.Reason = results.TargetUndecided, "the run did not complete"
	case run.Validity.Verdict == results.Invalid:
		t.Verdict, t.Reason = results.TargetUndecided, "the measurement is invalid"
	case achieved >= t.Writes, open && planned >= t.Writes*sustained && acknowledged >= offered*sustained:
		t.Verdict = results.TargetMet
	case open && planned < t.Writes*sustained:
		t.Verdict = results.TargetUndecided
		t.Reason = fmt.Sprintf("only %s writes/s were offered", humanize.Comma(int64(math.Round(planned))))
	default:
		t.Verdict = results.TargetMissed
	}
}

// offeredWrites returns the planned rate of the measured phases in writes per second, the
// number of writes that they offered, and the number that was acknowledged in the measured
// window or in flight at its end. open reports whether all writes came from open loops. The
// planned rate is the plan's: a Poisson process offers slightly more or less.
func offeredWrites(run *results.Run) (planned, offered, acknowledged float64, open bool) {
	open = true
	for _, ph := range run.Plan.Phases {
		if ph.Warmup {
			continue
		}
		var all, writes uint64
		for _, o := range run.Operations {
			if o.Phase != ph.Name || o.Arrived {
				continue
			}
			all += o.Offered
			if o.Write {
				writes += o.Offered
				acknowledged += float64(o.Acknowledged()) + min(float64(o.CompletedLate), inFlight*float64(o.Offered))
			}
		}
		if writes == 0 {
			continue
		}
		open = open && ph.Load.Open()
		offered += float64(writes)
		seconds := run.Length(func(phase string) bool { return phase == ph.Name }).Seconds()
		planned += meanRate(ph.Load) * seconds * float64(writes) / float64(all)
	}
	if total := run.Length(run.Measures).Seconds(); total > 0 {
		planned /= total
	}
	return planned, offered, acknowledged, open
}

func meanRate(l Load) float64 {
	if l.RateEnd > 0 {
		return (l.Rate + l.RateEnd) / 2
	}
	return l.Rate
}
