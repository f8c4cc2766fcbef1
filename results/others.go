package results

import (
	"fmt"
	"time"
)

// WarnOthers is the code of the warning that others use the cluster meanwhile.
const WarnOthers = "others"

// OthersUse is the warning that others use the cluster, with what they do.
func OthersUse(what string) Warning {
	return Warning{WarnOthers, fmt.Sprintf("other clients use the cluster (%s); results show the remaining capacity", what)}
}

// ForeignWrites are the writes per second that others made in a running cluster during
// the run, by its members' own counters: what they took beyond all that the run sent,
// answered or not, so that it is a lower bound. It is known of runs that write by
// single puts alone (the workloads put and watch, and mixes with range).
func ForeignWrites(run *Run) (perSecond float64, known bool) {
	if run.Cluster.Kind != ClusterRemote || run.Server == nil {
		return 0, false
	}
	for _, e := range run.Plan.Entries() {
		switch e.Workload {
		case "put", "range", "watch":
		default:
			return 0, false
		}
	}
	var own, all float64
	for _, o := range run.Operations {
		if o.Write {
			own += float64(o.Offered - o.Dropped)
		}
	}
	for _, m := range run.Server.Members {
		// Every member applies all writes.
		all = max(all, m.Growth["puts"]+m.Growth["deletes"])
	}
	var length time.Duration
	for _, ph := range run.Phases {
		length = max(length, ph.Start+ph.Length)
	}
	if all == 0 || length <= 0 {
		return 0, false
	}
	return max(0, all-own) / length.Seconds(), true
}
