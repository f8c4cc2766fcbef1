package runner

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

const (
	// footprintTime bounds the requests to all members after a run.
	footprintTime = 3 * time.Second
	// leastGrowth is the smallest growth of a database that is reported, in bytes.
	leastGrowth = 64 << 20
)

// checkSpace adds warnings for the effects of the run on a running cluster besides keys:
// alarms, and space in the members' databases, which the deletion of keys does not free.
func (r *Resolved) checkSpace(ctx context.Context, s *session, run *results.Run) {
	if s.writes == nil {
		return
	}
	ctx, cancel := bench.CleanUp(ctx, footprintTime)
	defer cancel()
	before := map[string]int64{}
	for _, m := range s.info.Members {
		before[m.Endpoint] = m.DBSize
	}
	var growth, size int64
	for _, f := range cluster.Footprints(ctx, s, s.admin.Conns()) {
		if len(f.Alarms) > 0 {
			run.Warn("alarm", fmt.Sprintf("%s has an alarm (%s), and the cluster refuses writes until it is disarmed: compact and defragment, "+
				"then run etcdctl alarm disarm", f.Endpoint, results.Clip(strings.Join(f.Alarms, ", "))))
		}
		if size, ok := before[f.Endpoint]; ok {
			growth = max(growth, f.Size-size)
		}
		size = max(size, f.Size)
	}
	if growth >= leastGrowth {
		run.Warn("space", fmt.Sprintf("databases have grown by up to %d MiB, to %d MiB, and keep the space of deleted keys: to release it, "+
			"run etcdctl compact REVISION, then etcdctl defrag --cluster, which blocks each member for a while",
			growth>>20, size>>20))
	}
}

// inFlight returns the number of bytes that the requests in flight at one time may write.
func (r *Resolved) inFlight() int64 {
	return max(int64(r.Plan.Clients)*workloads.LargestWrite(r.Plan.Entries()), workloads.LargestPopulation(&r.Plan))
}
