package results

import (
	"fmt"
	"time"
)

// WarnOthers is the code of the warning that other clients use the cluster during the run.
const WarnOthers = "others"

// OtherClientsWarning returns the warning that other clients use the cluster. what describes
// their load.
func OtherClientsWarning(what string) Warning {
	return Warning{WarnOthers, fmt.Sprintf("other clients use the cluster (%s); results show the remaining capacity", what)}
}

// ForeignWrites returns the writes per second of other clients of a running cluster during
// the run, by the members' own counters: the writes in excess of all that the run sent, answered or
// not. It is a lower bound. It is known for runs that write only by single puts (the workloads
// put and watch, and mixes with range).
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
