package judge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// Differences returns the differences of two runs other than their figures: plan, cluster,
// machine, validity, profiles. If there are none, their figures differ only by chance.
func Differences(a, b *results.Run) []string {
	var list []string
	differ := func(what, x, y string) {
		if x != y {
			list = append(list, fmt.Sprintf("%s: %s against %s", what, cmp.Or(results.Clip(x), "none"), cmp.Or(results.Clip(y), "none")))
		}
	}
	differ("workload", a.Plan.Workload, b.Plan.Workload)
	for i, e := range a.Plan.Entries() {
		if others := b.Plan.Entries(); i < len(others) && a.Plan.Workload == b.Plan.Workload {
			for _, name := range keysOf(e.Params, others[i].Params) {
				differ(e.Name+" "+name, e.Params[name], others[i].Params[name])
			}
			differ(e.Name+" weight", fmt.Sprint(e.Weight), fmt.Sprint(others[i].Weight))
		}
	}
	for _, name := range keysOf(a.Plan.Parameters, b.Plan.Parameters) {
		differ(name, fmt.Sprint(a.Plan.Parameters[name]), fmt.Sprint(b.Plan.Parameters[name]))
	}
	differ("clients", fmt.Sprint(a.Plan.Clients), fmt.Sprint(b.Plan.Clients))
	differ("connections", fmt.Sprint(a.Plan.Conns), fmt.Sprint(b.Plan.Conns))
	differ("agents", fmt.Sprint(max(1, a.Plan.Agents)), fmt.Sprint(max(1, b.Plan.Agents)))
	differ("transport", a.Plan.TransportUsed(), b.Plan.TransportUsed())
	differ("phases", a.Plan.DescribePhases(), b.Plan.DescribePhases())
	differ("timeout", a.Plan.Timeout.String(), b.Plan.Timeout.String())
	differ("population", describePopulation(a), describePopulation(b))
	differ("disturbances", describeAll(a.Plan.Disturbances), describeAll(b.Plan.Disturbances))
	differ("TLS", fmt.Sprint(a.Cluster.TLS), fmt.Sprint(b.Cluster.TLS))
	differ("file system", fileSystem(a), fileSystem(b))
	differ("cluster", a.Cluster.Kind, b.Cluster.Kind)
	differ("members", fmt.Sprint(len(a.Cluster.Members)), fmt.Sprint(len(b.Cluster.Members)))
	differ("etcd", a.Cluster.Version, b.Cluster.Version)
	for _, name := range keysOf(a.Cluster.Settings, b.Cluster.Settings) {
		differ(name, a.Cluster.Settings[name], b.Cluster.Settings[name])
	}
	differ("machine", a.Environment.Machine(), b.Environment.Machine())
	differ("etcdbench", a.Environment.Tool, b.Environment.Tool)
	differ("validity", a.Validity.Verdict, b.Validity.Verdict)
	differ("outcome", string(a.Outcome), string(b.Outcome))
	differ("profiled", fmt.Sprint(a.Profiled()), fmt.Sprint(b.Profiled()))
	return list
}

// describeAll describes entries of a plan in one line.
func describeAll[E any](list []E) string {
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprint(list)
}

// describePopulation describes the keys that exist at the start of a run, without its own
// prefix.
func describePopulation(r *results.Run) string {
	list := slices.Clone(r.Plan.Population)
	for i := range list {
		list[i].Prefix = strings.TrimPrefix(list[i].Prefix, r.Plan.Prefix)
	}
	return describeAll(list)
}

// fileSystem returns the file system of the members' data, if it is known.
func fileSystem(r *results.Run) string {
	if r.Environment.Disk == nil {
		return ""
	}
	return r.Environment.Disk.FileSystem
}

// keysOf returns the keys of two maps, sorted.
func keysOf[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
