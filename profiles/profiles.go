// Package profiles takes pprof captures of the members and the generator during a run, keeps
// them in the run's directory with the number of operations that they cover, and reads them
// again: top functions, the difference of two runs per operation, flame graphs.
//
// Figures are in the units of the captures: nanoseconds of CPU time or of waiting, bytes
// allocated, goroutines. Named loads are not profiles but scenarios, in package
// workloads/scenario.
package profiles

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of capture.
const (
	CPU       = "cpu"
	Heap      = "heap"
	Mutex     = "mutex"
	Block     = "block"
	Goroutine = "goroutine"
	Trace     = "trace"
)

// kind describes how a capture is taken and which of its values functions are ranked by.
type kind struct {
	name string
	// path is where net/http/pprof serves it.
	path string
	// sample is the type of value that functions are ranked by, unit that value's.
	sample, unit string
	// sums means that the value only grows, so that the difference of two captures
	// is what happened in between.
	sums bool
	// skip leaves out the frames of the runtime and of package sync, in which all
	// that wait are found, when functions are ranked.
	skip bool
	// empty is the reason why a capture may have no samples.
	empty string
}

var kinds = [...]kind{
	{name: CPU, path: "profile", sample: "cpu", unit: "nanoseconds", sums: true, empty: "no CPU time was sampled"},
	{name: Heap, path: "heap", sample: "alloc_space", unit: "bytes", sums: true, empty: "no allocation was sampled"},
	{
		name: Mutex, skip: true, path: "mutex", sample: "delay", unit: "nanoseconds", sums: true,
		empty: "no sampled wait for a mutex (etcd samples one wait in five)",
	},
	{
		name: Block, skip: true, path: "block", sample: "delay", unit: "nanoseconds", sums: true,
		empty: "empty: etcd does not turn block profiling on, and has no flag for it",
	},
	{name: Goroutine, skip: true, path: "goroutine", sample: "goroutine", unit: "goroutines"},
	{name: Trace, path: "trace"},
}

func findKind(name string) (kind, bool) {
	i := slices.IndexFunc(kinds[:], func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

// Kinds returns the names of all kinds.
func Kinds() []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return names
}

// CheckKinds returns an error for names that are no kind of capture.
func CheckKinds(names []string) error {
	for _, name := range names {
		if _, ok := findKind(name); !ok {
			return fmt.Errorf("unknown kind of profile %q: use %s", name, strings.Join(Kinds(), ", "))
		}
	}
	return nil
}
