package bench

import (
	"errors"
	"time"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// intervalLength is how often the recorders are read out.
const intervalLength = time.Second

// collector reads the recorders out each second and at each phase's end, shows
// the intervals to the observers, and keeps the phases' totals. It runs on its
// own goroutine, so that neither a slow disk nor a slow terminal delays the load.
type collector struct {
	engine     *engine
	boundaries chan boundary
	stop       chan struct{}
	stopped    chan struct{}

	live []*livePhase
	// interval holds what the last call of collect returned, by kind. All phases share it.
	interval []*total
	encoder  results.Encoder
	// usage is the machine usage up to the end of the last interval. intervalLag is the send
	// lag in that interval.
	usage       machine.Usage
	intervalLag series
	ops         []results.Operation
	lag         series // of the measured phases
	err         error
	number      int
	ended       bool // no client is left
	// late says that samples may arrive for phases that have no operation in flight.
	late bool

	name string // of the phase that the present interval belongs to
	// measuring says that the present interval belongs to a measured phase. stalled is the time
	// in measured phases during which no operation was completed.
	measuring bool
	stalled   time.Duration
	start     time.Duration
	from      time.Duration

	begin, end *machine.Usage // around the measured phases
	used       machine.Usage  // in them, once the collector has finished
}

// boundary is the change to another phase, or to the drain when ph is nil.
type boundary struct {
	ph      *phase
	at      time.Duration
	backlog int64
}

// livePhase is a phase that may still get samples.
type livePhase struct {
	*phase
	// shown, counts and errors are the numbers that the previous intervals have reported.
	shown  []arrivals
	counts [][]uint64
	errors []map[errorKey]uint64
}

// arrivals are the numbers of one kind that a phase counts outside its recorder.
type arrivals struct{ offered, dropped, inherited, overdue uint64 }

// arrivals reads the counters of a kind.
func (ph *phase) arrivals(kind int) arrivals {
	return arrivals{ph.offered[kind].Load(), ph.dropped[kind].Load(), ph.inherited[kind].Load(), ph.overdue[kind].Load()}
}

// since returns the difference between a and the earlier numbers in other.
func (a arrivals) since(other arrivals) arrivals {
	return arrivals{a.offered - other.offered, a.dropped - other.dropped, a.inherited - other.inherited, a.overdue - other.overdue}
}

type errorKey struct{ code, etcd string }

func newCollector(e *engine, late bool) *collector {
	c := &collector{
		engine: e, usage: machine.ReadUsage(),
		interval:   newTotals(len(e.kinds)),
		boundaries: make(chan boundary, len(e.plan.Phases)+1),
		stop:       make(chan struct{}), stopped: make(chan struct{}), late: late,
	}
	go c.run()
	return c
}

// enter announces a change of phase to the collector. It does not wait for the collector.
func (c *collector) enter(ph, last *phase) {
	b := boundary{ph: ph}
	if ph != nil {
		b.at, b.backlog = ph.start, ph.backlog
	} else {
		b.backlog = c.engine.backlog()
		b.at = time.Duration(last.end.Load())
	}
	c.boundaries <- b
}

// finish ends the collector when no client is left, and returns the totals.
func (c *collector) finish(before machine.Usage) ([]results.Operation, error) {
	close(c.stop)
	<-c.stopped
	begin, end := before, machine.ReadUsage()
	if c.begin != nil {
		begin = *c.begin
	}
	if c.end != nil {
		end = *c.end
	}
	c.used = end.Since(begin)
	return c.ops, c.err
}

func (c *collector) run() {
	defer close(c.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	tick := time.Duration(0)
	for {
		timer.Reset(tick - c.engine.clock.now())
		select {
		case b := <-c.boundaries:
			c.change(b)
			tick = c.start + intervalLength
		case <-timer.C:
			if len(c.boundaries) > 0 {
				continue // the phase may have ended before the tick
			}
			// When an observer was slow, the interval is longer: everything that was recorded
			// since the last interval belongs to it.
			at := tick
			if now := c.engine.clock.now(); now-at > intervalLength/10 {
				at = now
			}
			if c.name != "" {
				c.flush(at)
			}
			for tick <= at {
				tick += intervalLength
			}
		case <-c.stop:
			for len(c.boundaries) > 0 {
				c.change(<-c.boundaries)
			}
			c.ended = true
			c.flush(c.engine.clock.now())
			return
		}
	}
}

func (c *collector) change(b boundary) {
	if c.name != "" && b.at > c.from {
		c.flush(b.at)
	}
	c.endPhase(b.at)
	name, planned := PhaseDrain, PlanPhase{Name: PhaseDrain, Warmup: true}
	if b.ph != nil {
		name, planned = b.ph.Name, b.ph.PlanPhase
		kinds := len(c.engine.kinds)
		lp := &livePhase{
			phase: b.ph, shown: make([]arrivals, kinds),
			counts: make([][]uint64, kinds), errors: make([]map[errorKey]uint64, kinds),
		}
		for k := range lp.errors {
			lp.errors[k] = map[errorKey]uint64{}
			lp.counts[k] = make([]uint64, len(b.ph.counts[k]))
		}
		c.live = append(c.live, lp)
	}
	c.engine.run.Phases = append(c.engine.run.Phases, results.Phase{Name: name, Start: b.at, Backlog: b.backlog})
	c.name, c.start, c.from = name, b.at, b.at
	c.measuring = !planned.Warmup
	c.watchUsage(b.ph)
	c.engine.observers.phase(planned, b.at)
}

// endPhase records the length of the phase that ends.
func (c *collector) endPhase(at time.Duration) {
	if phases := c.engine.run.Phases; c.name != "" {
		last := &phases[len(phases)-1]
		last.Length = at - last.Start
	}
}

// watchUsage reads the machine usage from the start of the first measured phase to the end of
// the last one.
func (c *collector) watchUsage(ph *phase) {
	measuring := ph != nil && !ph.Warmup
	if !measuring && (c.begin == nil || c.end != nil) {
		return
	}
	now := machine.ReadUsage()
	switch {
	case !measuring:
		c.end = &now
	case c.begin == nil:
		c.begin = &now
	default:
		c.end = nil
	}
}

// flush ends the present interval at the given time.
func (c *collector) flush(at time.Duration) {
	i := &results.Interval{Number: c.number, Phase: c.name, Start: c.from, Length: at - c.from}
	c.number++
	c.from = at
	if c.name == PhaseDrain {
		c.endPhase(at)
	}
	live := c.live[:0]
	for _, lp := range c.live {
		// An operation that arrived in an earlier phase may be completed in this one.
		done := c.ended || !c.late && len(live) == 0 && isClosed(lp.over) && lp.active.Load() == 0
		lp.recorder.collect(c.interval, &c.intervalLag)
		i.Operations = append(i.Operations, c.intervalOps(lp, i.Length)...)
		i.InFlight += int(lp.active.Load())
		if done {
			c.retire(lp)
			continue
		}
		live = append(live, lp)
	}
	clear(c.live[len(live):])
	c.live = live
	if ph := c.engine.current.Load(); ph != nil && ph.lane != nil {
		i.Queued = ph.lane.waiting()
		i.InFlight = max(0, i.InFlight-i.Queued)
	}
	if c.measuring && i.Stalled() {
		c.stalled += i.Length
	}
	i.Generator = c.pulse()
	i.Events = c.engine.takeEvents()
	i.Moments = c.engine.moments.collect(c.engine.now())
	if c.engine.sampler != nil {
		c.engine.sampler.Sample(i)
	}
	c.engine.observers.interval(i)
}

// pulse returns the resources that the generator has used since the last call.
func (c *collector) pulse() results.Pulse {
	now := machine.ReadUsage()
	u := now.Since(c.usage)
	c.usage = now
	p := results.Pulse{CPU: u.CPUShare(), Machine: u.MachineShare(), Steal: u.StealShare(), Throttled: u.Throttled, GCPause: u.GCPause}
	p.Stopped = c.engine.stops.take()
	if c.intervalLag.total() > 0 {
		p.SendLag = time.Duration(c.intervalLag.ValueAtPercentile(99))
		c.intervalLag.empty()
	}
	return p
}

func isClosed(ch chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// intervalOps returns the operations of the present interval, by kind.
func (c *collector) intervalOps(lp *livePhase, length time.Duration) []results.Operation {
	var ops []results.Operation
	for k, t := range c.interval {
		now := lp.phase.arrivals(k)
		o, err := c.operation(lp.phase, k, t, now.since(lp.shown[k]), length)
		c.err = errors.Join(c.err, err)
		lp.shown[k] = now
		for j := range lp.counts[k] {
			n := lp.phase.counts[k][j].Load()
			if n > lp.counts[k][j] {
				counted := c.engine.kinds[k].Counts[j]
				o.Counts = append(o.Counts, results.Count{Name: counted.Name, Of: counted.Of, Count: n - lp.counts[k][j]})
			}
			lp.counts[k][j] = n
		}
		for _, e := range c.engine.errors.list(lp.index, k) {
			key := errorKey{e.Code, e.Etcd}
			if n := e.Count - lp.errors[k][key]; n > 0 {
				lp.errors[k][key] = e.Count
				e.Count = n
				o.Errors = append(o.Errors, e)
			}
		}
		if o.Offered+o.Ended()+o.Inherited > 0 || len(o.Counts) > 0 {
			ops = append(ops, o)
		}
	}
	return ops
}

// retire turns a phase that gets no more samples into its totals, and releases its recorder.
func (c *collector) retire(lp *livePhase) {
	if !lp.Warmup {
		c.lag.merge(&lp.recorder.lag)
	}
	length := time.Duration(lp.end.Load()) - lp.start
	for k, t := range lp.recorder.phase {
		o, err := c.operation(lp.phase, k, t, lp.phase.arrivals(k), length)
		c.err = errors.Join(c.err, err)
		for j, name := range c.engine.kinds[k].Counts {
			o.Counts = append(o.Counts, results.Count{Name: name.Name, Of: name.Of, Count: lp.phase.counts[k][j].Load()})
		}
		o.Errors = append(o.Errors, c.engine.errors.list(lp.index, k)...)
		c.ops = append(c.ops, o)
	}
	c.engine.returnRecorder(lp.recorder)
	lp.recorder = nil // the engine keeps the phase
}

func (c *collector) operation(ph *phase, kind int, t *total, a arrivals, length time.Duration) (results.Operation, error) {
	of := c.engine.kinds[kind]
	o := results.Operation{
		Phase: ph.Name, Op: of.Name, Write: of.Write, Arrived: of.Arrives, Of: of.Of, Sign: of.Sign,
		Offered: a.offered, Completed: t.count(seriesService), Failed: t.count(seriesFailedResponse), Dropped: a.dropped,
		Unfinished: t.count(seriesUnfinished), TimedOut: t.timedOut,
		CompletedLate: t.late, Inherited: a.inherited, Overdue: t.overdue + a.overdue, Overflow: t.overflow, Errors: []results.ErrorClass{},
	}
	var errs []error
	for i, l := range []*results.Latency{&o.ResponseTime, &o.ServiceTime, &o.QueueTime, &o.FailedResponseTime, &o.UnfinishedResponseTime} {
		var err error
		*l, err = t.hists[i].latency(&c.encoder)
		errs = append(errs, err)
	}
	return o, errors.Join(append(errs, o.Complete(length))...)
}
