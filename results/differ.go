package results

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Differences says in what two runs differ besides their figures: plan, cluster,
// machine, validity, profiles. Where it is empty, a difference of their figures is
// that of the versions and of chance.
func Differences(a, b *Run) []string {
	var list []string
	differ := func(what, x, y string) {
		if x != y {
			list = append(list, fmt.Sprintf("%s: %s against %s", what, cmp.Or(clip(x), "none"), cmp.Or(clip(y), "none")))
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
	differ("phases", phasesText(a.Plan), phasesText(b.Plan))
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

// Machine tells machines apart: by processor, limits, memory and kernel.
func (e Environment) Machine() string {
	s := fmt.Sprintf("%d CPUs %s, %d GiB, %s/%s %s", e.CPUs, e.CPUModel, e.Memory>>30, e.OS, e.Arch, e.Kernel)
	if e.CPULimit > 0 {
		s += fmt.Sprintf(", limited to %.4g CPUs", e.CPULimit)
	}
	return s
}

func phasesText(p Plan) string {
	var parts []string
	for _, ph := range p.Phases {
		part := fmt.Sprintf("%s %v", ph.Name, ph.Duration)
		if ph.Total > 0 {
			part = fmt.Sprintf("%s %d", ph.Name, ph.Total)
		}
		if ph.Load.Open() {
			part += fmt.Sprintf(" at %g/s", ph.Load.Rate)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// keysOf are the keys of two maps, sorted.
func keysOf[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
