package judge

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Resources returns the use of each resource in a run, the one that is nearest to its limit
// first. For a resource of all members, it returns the member with the highest use.
func Resources(run *results.Run) []results.Resource {
	var list []results.Resource
	if run.Environment.CPUs > 0 {
		g := run.Validity.Generator
		list = append(list, results.Resource{
			Name: "CPU of the generator", Share: g.CPU, Text: fmt.Sprintf("%.0f %% of this machine's CPUs", 100*g.CPU),
		})
		if run.Cluster.Kind != results.ClusterRemote {
			list = append(list, results.Resource{
				Name: "CPU of the machine", Share: g.Machine,
				Text: fmt.Sprintf("%.0f %% of its CPUs were busy, cluster and generator together", 100*g.Machine),
			})
		}
	}
	seconds := 0.0
	for _, ph := range run.Phases {
		if ph.Name != "populate" {
			seconds += ph.Length.Seconds()
		}
	}
	if run.Server != nil && seconds > 0 {
		for _, m := range run.Server.Members {
			for _, r := range memberResources(run, m, seconds) {
				list = keepLargest(list, r)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b results.Resource) int { return cmp.Compare(b.Share, a.Share) })
	return list
}

// memberResources returns the resources that one member used.
func memberResources(run *results.Run, m results.ServerMember, seconds float64) []results.Resource {
	var list []results.Resource
	add := func(used float64, name string, share float64, format string, args ...any) {
		if used > 0 {
			list = append(list, results.Resource{Name: name, Member: m.Member, Share: share, Text: fmt.Sprintf(format, args...)})
		}
	}
	p99 := func(histogram string) time.Duration { return time.Duration(m.Times[histogram].P99[1]) }
	const mib = 1 << 20
	// Fsyncs of the log, and commits, follow each other: the time in them is limited to
	// one second each second.
	fsync, commit, cpu := m.Growth["fsync_time"]/seconds, m.Growth["commit_time"]/seconds, m.Growth["cpu"]/seconds
	add(fsync, "fsync of the log", fsync, "busy %.0f %% of the time, p99 up to %v", 100*fsync, p99(results.HistogramFsync))
	add(commit, "commit of the database", commit, "busy %.0f %% of the time, p99 up to %v", 100*commit, p99(results.HistogramCommit))
	if run.Cluster.Kind != results.ClusterRemote && run.Environment.CPUs > 0 {
		add(cpu, "CPU of a member", cpu/float64(run.Environment.CPUs), "%.2f CPUs", cpu)
	}
	if size, quota := m.Last["db_size"], m.Last["quota"]; quota > 0 {
		add(size, "database", size/quota, "%.0f MiB of %.0f MiB", size/mib, quota/mib)
	}
	sent := (m.Growth["peer_sent"] + m.Growth["client_sent"]) / seconds
	add(sent, "network", 0, "%.1f MiB/s sent; its limit is unknown", sent/mib)
	return list
}

// keepLargest adds r, unless the list contains the same resource with a use that is at least as
// high.
func keepLargest(list []results.Resource, r results.Resource) []results.Resource {
	i := slices.IndexFunc(list, func(o results.Resource) bool { return o.Name == r.Name })
	switch {
	case i < 0:
		return append(list, r)
	case r.Share > list[i].Share:
		list[i] = r
	}
	return list
}
