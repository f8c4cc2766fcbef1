// Package disk delays and fails the syncs and writes of a process that it starts, so that
// a healthy disk behaves like a slow, a failing or a full one. It does not depend on etcd.
//
// The process needs neither privileges nor changes: before it is executed, a seccomp
// filter is installed that reports its system calls to the starting process, which answers
// each after a delay, or with an error (Linux, seccomp_unotify(2)). The delay precedes the
// call: the time of the disk itself is added to it.
package disk

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Calls are the system calls that can be delayed or failed. They are fixed when the process is
// started.
type Calls struct {
	// Syncs are fsync and fdatasync.
	Syncs bool `json:"syncs,omitempty"`
	// Writes are the writes to a position of a file (pwrite64, pwritev) and the allocation of
	// space (fallocate).
	Writes bool `json:"writes,omitempty"`
	// Appends are write and writev to regular files, except for the standard streams. Calls for
	// sockets and pipes are reported, too, because the kernel's filter sees only the number of
	// the descriptor. They proceed at once, but each takes longer.
	Appends bool `json:"appends,omitempty"`
}

// Any reports whether there are any calls.
func (c Calls) Any() bool { return c.Syncs || c.Writes || c.Appends }

// Or returns the calls of both.
func (c Calls) Or(other Calls) Calls {
	return Calls{Syncs: c.Syncs || other.Syncs, Writes: c.Writes || other.Writes, Appends: c.Appends || other.Appends}
}

// String returns the names of the calls as results show them. [ParseCalls] reads them.
func (c Calls) String() string {
	var names []string
	for _, k := range []kind{kindSync, kindWrite, kindAppend} {
		if k.in(c) {
			names = append(names, k.String())
		}
	}
	return strings.Join(names, ",")
}

// ParseCalls returns the calls that a text names, separated by commas.
func ParseCalls(text string) Calls {
	names := strings.Split(text, ",")
	has := func(k kind) bool { return slices.Contains(names, k.String()) }
	return Calls{Syncs: has(kindSync), Writes: has(kindWrite), Appends: has(kindAppend)}
}

// Conditions are the conditions of a disk. The zero value changes nothing.
type Conditions struct {
	// Latency is added to each call. It is constant, or uniformly distributed over Latency ±
	// Jitter, or lognormally distributed with the median Latency and the 99th percentile P99.
	Latency time.Duration `json:"latency_ns,omitempty"`
	Jitter  time.Duration `json:"jitter_ns,omitempty"`
	P99     time.Duration `json:"p99_ns,omitempty"`
	// IOPS is the number of calls that the disk completes in a second, one after the other, before
	// Latency is added; 0 means no limit. Without a limit, calls do not wait for each other.
	IOPS float64 `json:"iops,omitempty"`
	// Delayed are the calls to which the delays apply.
	Delayed Calls `json:"delayed,omitzero"`
	// Failed are the calls that fail at once: syncs with EIO, the others with ENOSPC.
	Failed Calls `json:"failed,omitzero"`
}

// maxLatency bounds the delay of a call, because a call that has begun cannot be cancelled.
const maxLatency = 10 * time.Second

// Validate returns an error that names the parameter if the conditions are invalid.
func (c Conditions) Validate() error {
	switch {
	case c.Latency < 0 || c.Latency > maxLatency:
		return fmt.Errorf("latency must be between 0 and %v, not %v", maxLatency, c.Latency)
	case c.Jitter < 0 || c.Jitter > c.Latency:
		return fmt.Errorf("jitter must be between 0 and the latency of %v, not %v", c.Latency, c.Jitter)
	case c.P99 != 0 && (c.P99 <= c.Latency || c.P99 > maxLatency || c.Latency == 0):
		return fmt.Errorf("p99 must be above the latency, which is the median, and at most %v, not %v", maxLatency, c.P99)
	case c.P99 != 0 && c.Jitter != 0:
		return errors.New("jitter and p99 cannot be combined")
	case c.IOPS != 0 && !(c.IOPS >= 1 && c.IOPS <= 1e6):
		return fmt.Errorf("iops must be between 1 and 1,000,000, not %v", c.IOPS)
	}
	return nil
}

// delay returns a random delay for one call.
func (c Conditions) delay() time.Duration {
	switch {
	case c.P99 > 0:
		const z99 = 2.3263478740408408 // of the standard normal distribution
		sigma := math.Log(float64(c.P99)/float64(c.Latency)) / z99
		return min(maxLatency, time.Duration(float64(c.Latency)*math.Exp(sigma*rand.NormFloat64())))
	case c.Jitter > 0:
		return c.Latency - c.Jitter + rand.N(2*c.Jitter+1)
	}
	return c.Latency
}

// Effect is the effect of conditions on a process.
type Effect struct {
	// Delayed is the number of delayed calls, Delay the sum of their planned delays. Late is
	// the sum of how much longer the calls waited that have been answered, because the
	// supervising process was not run in time.
	Delayed int64         `json:"delayed"`
	Delay   time.Duration `json:"delay_ns"`
	Late    time.Duration `json:"late_ns"`
	// Failed is the number of failed calls.
	Failed int64 `json:"failed"`
}

// Mean returns the mean planned delay of a delayed call.
func (e Effect) Mean() time.Duration { return e.Delay / time.Duration(max(1, e.Delayed)) }

// MeanLate returns how much longer than planned a delayed call waited on average.
func (e Effect) MeanLate() time.Duration { return e.Late / time.Duration(max(1, e.Delayed)) }
