// Package bench is the engine: it carries out a plan, phase by phase, in a
// closed or an open loop, records every operation and says whether the
// generator was up to it.
//
// Times inside a run are durations since its start on the monotonic clock. A
// latency counts from the intended time, so an operation that had to wait for
// its turn shows that it waited.
//
// The package knows neither etcd nor the command line: what an operation does
// is a [Workload]'s business, where it goes is up to package bench/cluster.
package bench
