package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// pulseLength is the time between two checks whether the generator of a closed loop was
// stopped.
const pulseLength = 10 * time.Millisecond

// usualWeight is the weight of one pulse in the moving average of the CPU use.
const usualWeight = 1.0 / 64

// leastStops is the number of stops from which on they can make the run invalid. One or two
// stops may be an accident.
const leastStops = 3

// stops counts the stops of the generator's process in closed loops, which have no schedule to
// be late against. A stop is a late wake-up of a goroutine while the process used less CPU time
// than usual. A late wake-up in a running process is not a stop: the goroutine waited for a
// CPU.
type stops struct {
	// count, sum and longest are those of the measured phases. delays holds the length of each
	// stop once for every operation that was in flight at its end.
	count        uint64
	sum, longest time.Duration
	delays       series
	// total is the length of all stops so far, in nanoseconds.
	total atomic.Int64
	// shown is the part of total that the intervals have reported.
	shown int64
}

// watchStops detects stops until ctx ends or the returned function is called.
func (e *engine) watchStops(ctx context.Context) (end func()) {
	closed := false
	for _, ph := range e.plan.Phases {
		closed = closed || !ph.Load.Open()
	}
	if !closed {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s := e.newSleeper()
		defer s.close()
		p := pulse{at: e.clock.now(), cpu: e.processCPU()}
		for e.sleepUntil(ctx, s, p.at+pulseLength) {
			if stop := p.next(e.clock.now(), e.processCPU()); stop > 0 {
				e.stops.add(stop, e.current.Load())
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

// sleepUntil waits until the given time and reports whether ctx is still active.
func (e *engine) sleepUntil(ctx context.Context, s sleeper, at time.Duration) bool {
	for wait := at - e.clock.now(); wait > 0 && ctx.Err() == nil; wait = at - e.clock.now() {
		s.sleep(ctx, wait)
	}
	return ctx.Err() == nil
}

// pulse is the state of the last check: its time, and the CPU time that the process had used.
type pulse struct {
	at, cpu time.Duration
	// usual is the moving average of the process's CPU use in pulses without delay, in seconds
	// of CPU time per second.
	usual float64
}

// next returns the length of the stop before a wake-up, or 0 if the process was not stopped.
func (p *pulse) next(now, cpu time.Duration) (stop time.Duration) {
	late, used, length := now-p.at-pulseLength, cpu-p.cpu, now-p.at
	p.at, p.cpu = now, cpu
	if late <= leastStall {
		p.usual += usualWeight * (used.Seconds()/length.Seconds() - p.usual)
		return 0
	}
	if running := pulseLength + late/4; used > time.Duration(p.usual*float64(running))+time.Millisecond {
		return 0
	}
	return late
}

// add counts a stop that ended in the phase.
func (s *stops) add(length time.Duration, ph *phase) {
	s.total.Add(int64(length))
	if ph == nil || ph.Warmup || ph.Load.Open() {
		return
	}
	s.count++
	s.sum += length
	s.longest = max(s.longest, length)
	if inFlight := ph.active.Load(); inFlight > 0 {
		s.delays.add(min(int64(length), results.HighestTime), inFlight)
	}
}

// take returns the length of the stops since the last call.
func (s *stops) take() time.Duration {
	total := s.total.Load()
	defer func() { s.shown = total }()
	return time.Duration(total - s.shown)
}

// delay returns the largest part of the 99th percentile that stops can explain, given the
// number of operations of closed loops: the 99th percentile of the time that operations waited
// for a stop.
func (s *stops) delay(operations uint64) time.Duration {
	delayed := float64(s.delays.total()) / float64(max(operations, 1))
	if delayed <= 0.01 {
		return 0
	}
	return time.Duration(s.delays.ValueAtPercentile(100 - 1/min(delayed, 1)))
}

// judgeStops reports the stops of closed loops. A stop delays the operations in flight, and no
// operation completes meanwhile. So it affects the percentiles when there are few operations,
// and the throughput when there are many. If the cluster runs on this machine, the cause of the
// stop slows the members down, too.
func (f *findings) judgeStops(add func(results.Reason)) {
	repeated := f.Stops >= leastStops && !f.local
	share, delayed := ratio(f.Stopped, f.elapsed), ratio(f.stopDelay, f.serviceP99)
	r := results.Reason{Code: "generator-stopped", Severity: results.Degraded, Value: share, Limit: stoppedMax}
	switch {
	case repeated && share > stoppedInvalid:
		r.Severity, r.Limit = results.Invalid, stoppedInvalid
	case repeated && f.stopDelay > lagInvalid && delayed > lagInvalidShare:
		r.Severity, r.Value, r.Limit = results.Invalid, delayed, lagInvalidShare
	case share > stoppedMax:
	case f.local && f.Machine > machineCPUMax: // a wait for a CPU: the reason cpu-contention covers it
		return
	case f.stopDelay > lagDegraded && delayed > lagDegradedShare:
		r.Value, r.Limit = delayed, lagDegradedShare
	default:
		return
	}
	r.Message = fmt.Sprintf("the generator's process did not run for %.1f %% of the time (stops: %d, the longest %v)",
		100*share, f.Stops, results.ThreeDigits(f.StopMax))
	if f.stopDelay > 0 && f.serviceP99 > 0 {
		r.Message += fmt.Sprintf("; they explain up to %v of the p99 of %v",
			results.ThreeDigits(min(f.stopDelay, f.serviceP99)), results.ThreeDigits(f.serviceP99))
	}
	r.Remedy = "reserve CPUs for the generator, and find out what stops its process or its virtual machine"
	add(r)
}
