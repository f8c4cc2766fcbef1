package judge

import (
	"cmp"
	"slices"

	"github.com/etcdbench/etcdbench/results"
)

// VoidRound returns the reason why a round with these two runs does not count, or "" if it
// does. The result does not depend on the order of the runs, so the selection of rounds favours
// neither side.
func VoidRound(baseline, candidate *results.Run) string {
	b, c := Void(baseline), Void(candidate)
	switch {
	case b == "" && c != "" && collapsed(candidate, baseline), c == "" && b != "" && collapsed(baseline, candidate):
		b, c = "", ""
	case b == "" && c == "" && baseline.Profiled() != candidate.Profiled():
		return "one side was profiled, which adds cost, and the other was not"
	}
	return cmp.Or(b, c)
}

// sustainedShare is the share of its arrivals that a run must have answered to have sustained
// its load.
const sustainedShare = 0.99

// collapsed reports whether a run is invalid only because its clients were all busy,
// while another run of the round sustained the same load with as many clients: then the
// servers were slower, and not the clients too few.
func collapsed(run, other *results.Run) bool {
	if run.Outcome != results.Completed || run.Validity.Verdict != results.Invalid || leaderChanged(run) {
		return false
	}
	for _, reason := range run.Validity.Reasons {
		if reason.Severity == results.Invalid && !slices.Contains(busyClients[:], reason.Code) {
			return false
		}
	}
	if run.Plan.Clients != other.Plan.Clients || run.Plan.DescribePhases() != other.Plan.DescribePhases() {
		return false
	}
	open := slices.ContainsFunc(run.Plan.Phases, func(ph results.PlanPhase) bool { return !ph.Warmup && ph.Load.Open() })
	return open && other.Validity.Generator.Achieved >= sustainedShare
}

// busyClients are the codes of the reasons that make a run invalid when all clients are busy.
var busyClients = [...]string{"too-few-clients", "clients-busy"}

// Void returns the reason why a round with this run does not count, or "" if it does. The
// result depends neither on the side of the run nor on its figures.
func Void(r *results.Run) string {
	switch {
	case r.Outcome != results.Completed:
		return "a run was " + string(r.Outcome) + ": " + r.Reason
	case r.Validity.Verdict == results.Invalid:
		why := ""
		for _, reason := range r.Validity.Reasons {
			if reason.Severity == results.Invalid {
				why = ": " + reason.Message
			}
		}
		return "the generator was the limit" + why
	}
	if leaderChanged(r) {
		return "the leader changed"
	}
	return ""
}

// leaderChanged reports whether there was an unplanned election.
func leaderChanged(r *results.Run) bool {
	if r.Server == nil || r.Resilience != nil || slices.ContainsFunc(r.Plan.Disturbances, MayElect) {
		return false
	}
	return slices.ContainsFunc(r.Server.Members, func(m results.ServerMember) bool { return m.Growth["leader_changes"] > 0 })
}

// MayElect reports whether a disturbance may make a member lose the leadership or restart,
// which counts like a change of the leader.
func MayElect(d results.PlanDisturbance) bool {
	switch d.Kind {
	case "compaction", "defragmentation", "snapshot", "range", "watcher-storm":
		return false
	}
	return true
}
