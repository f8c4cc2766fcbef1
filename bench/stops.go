package bench

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// pulseLength is how often the generator of a closed loop looks whether it was stopped.
const pulseLength = 10 * time.Millisecond

// usualWeight is the weight of a pulse in the average of those before it.
const usualWeight = 1.0 / 64

// leastStops is from how many stops on they are the run's usual state and can make it
// invalid: one or two may be an accident.
const leastStops = 3

// stops are those of the generator's process in closed loops, which have no schedule to
// be late against: a goroutine that wakes late, while the process used less CPU time than
// usual. One that wakes late in a process that runs waits for a CPU, which is not the same.
type stops struct {
	// count, sum and longest are about the measured phases, delays has the length of a
	// stop for each operation that was in flight at its end.
	count        uint64
	sum, longest time.Duration
	delays       series
	// total is the time of all stops so far, in nanoseconds.
	total atomic.Int64
	// shown is the part of total that the intervals have.
	shown int64
}

// watchStops looks for stops until ctx ends or the function that it returns is called.
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

// sleepUntil reports false when ctx ended first.
func (e *engine) sleepUntil(ctx context.Context, s sleeper, at time.Duration) bool {
	for wait := at - e.clock.now(); wait > 0 && ctx.Err() == nil; wait = at - e.clock.now() {
		s.sleep(ctx, wait)
	}
	return ctx.Err() == nil
}

// pulse is the last time that the generator looked, and what it used until then.
type pulse struct {
	at, cpu time.Duration
	// usual is the CPU time that the process takes for a second, in pulses without delay.
	usual float64
}

// next returns for how long the process was stopped before a wake-up: 0 if it was not.
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

// add counts a stop that ended in a phase.
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

// take returns the time of the stops since the last call.
func (s *stops) take() time.Duration {
	total := s.total.Load()
	defer func() { s.shown = total }()
	return time.Duration(total - s.shown)
}

// delay is the part of the 99th percentile that stops explain at most, of so many
// operations in closed loops: the 99th percentile of what they have waited for a stop.
func (s *stops) delay(operations uint64) time.Duration {
	delayed := float64(s.delays.total()) / float64(max(operations, 1))
	if delayed <= 0.01 {
		return 0
	}
	return time.Duration(s.delays.ValueAtPercentile(100 - 1/min(delayed, 1)))
}

// judgeStops: a stop delays the operations in flight, and no operation is done meanwhile.
// So it shows in the percentiles of few operations, and in the throughput of many. On the
// machine of the cluster, what stops the generator slows the members down, too.
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
	case f.local && f.Machine > machineCPUMax: // waits for a CPU, which cpu-contention says
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
