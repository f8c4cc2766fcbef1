// Package machine describes the machine of a run, and measures the use of the machine and of
// the generator's process: CPU time, steal, throttling, garbage collection, scheduler delay,
// and the time of an fdatasync.
//
// A value that a platform does not provide is zero. The package neither generates load nor
// judges anything.
package machine
