// Package bench is the engine. It carries out a plan, phase by phase, in a closed or an open
// loop, records every operation, and judges whether the generator kept up.
//
// Times inside a run are durations since its start on the monotonic clock. A latency counts
// from the intended time, so it includes the time that an operation had to wait for its turn.
//
// The package depends neither on etcd nor on the command line: a [Workload] defines what an
// operation does, and package bench/cluster defines where it is sent.
package bench
