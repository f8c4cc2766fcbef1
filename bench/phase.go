package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// phase is one phase of the plan under way.
type phase struct {
	PlanPhase
	engine *engine
	index  int
	start  time.Duration
	// end is planned until the phase is over, actual after that.
	end      atomic.Int64
	recorder *Recorder
	// total is the part of Total that belongs to the engine's share.
	total uint64

	// taken counts the share's operations of a closed loop, emitted is the number after
	// the last arrival of an open one, of whichever share.
	taken   atomic.Uint64
	emitted uint64
	// earlier is [Op.Earlier].
	earlier []uint64
	offered []atomic.Uint64   // by kind
	dropped []atomic.Uint64   // by kind
	counts  [][]atomic.Uint64 // by kind and count
	// inherited counts what was completed within the phase and had arrived before it,
	// overdue those of them that were.
	inherited, overdue []atomic.Uint64 // by kind
	// backlog is what had arrived before the phase began and had no outcome then.
	backlog int64
	// settled counts the operations whose outcome is known.
	settled atomic.Uint64
	// active is how many operations wait or are in flight. It is raised before a
	// client looks whether the phase still goes on, so that a phase that is over
	// and has none active gets no more samples.
	active atomic.Int64

	lane   *lane // nil in a closed loop
	parked parking
	over   chan struct{}
	// started are clients that were handed an arrival and have not sent it yet.
	started []*client
	// finished is closed when all of Total operations are settled.
	finished   chan struct{}
	finishOnce sync.Once
}

// arrival is one planned start in an open loop.
type arrival struct {
	phase    *phase
	n        uint64
	intended time.Duration
	// free says that a client was waiting, so that any delay from here on is
	// the generator's own.
	free bool
	// stalled is how long the generator had stood still before those that it waits
	// behind, or before itself: so much of its wait at most is the generator's. Where that
	// is less than half of it, the arrival waits for the server.
	stalled time.Duration
}

// stalls are the stops of the generator: arrivals leave late, all at once, and others
// wait behind them, none for longer than the stops took together since the last moment without a wait.
type stalls struct{ end, sum time.Duration }

// leastStall is how late an arrival leaves when that is taken for a stop.
const leastStall = 5 * time.Millisecond

// before returns for how long the generator stood still before an arrival that leaves
// now: for itself, or for those that wait before it.
func (s *stalls) before(intended, now time.Duration, waiting int) time.Duration {
	if waiting == 0 {
		s.sum = 0
	}
	if late := now - intended; late > leastStall {
		if intended >= s.end { // no other one of the same stop
			s.sum += late
			s.end = now
		}
		s.sum = max(s.sum, late)
	}
	return s.sum
}

// newPhase begins where the last phase ended. Consecutive open phases share a
// lane, so that what one leaves waiting burdens the next.
func (e *engine) newPhase(index int, pp PlanPhase, last *phase) *phase {
	ph := &phase{
		PlanPhase: pp, engine: e, index: index,
		offered: make([]atomic.Uint64, len(e.kinds)), dropped: make([]atomic.Uint64, len(e.kinds)),
		inherited: make([]atomic.Uint64, len(e.kinds)), overdue: make([]atomic.Uint64, len(e.kinds)),
		counts: make([][]atomic.Uint64, len(e.kinds)), backlog: e.backlog(),
		over: make(chan struct{}), finished: make(chan struct{}),
	}
	for k, kind := range e.kinds {
		ph.counts[k] = make([]atomic.Uint64, len(kind.Counts))
	}
	if ph.total = e.share.Below(pp.Total); pp.Total > 0 && ph.total == 0 {
		ph.finishOnce.Do(func() { close(ph.finished) })
	}
	switch {
	case last != nil:
		ph.start = time.Duration(last.end.Load())
	case e.peers == nil: // shares have begun together, at 0
		ph.start = e.clock.now()
	}
	end := never
	if pp.Duration > 0 {
		end = ph.start + pp.Duration
	}
	ph.end.Store(int64(end))
	ph.recorder = e.takeRecorder(end)
	ph.recorder.timeout = e.plan.Timeout
	if pp.Load.Open() {
		if last != nil && last.lane != nil {
			ph.lane = last.lane
		} else {
			ph.lane = &lane{limit: queueLimit(e.plan, e.share)}
		}
	}
	e.phases[index].Store(ph)
	return ph
}

// backlog is how many operations wait or are in flight.
func (e *engine) backlog() (n int64) {
	for i := range e.phases {
		if ph := e.phases[i].Load(); ph != nil {
			n += ph.active.Load()
		}
	}
	return n
}

// inherit counts a completion in the phase in which it came, where that is a later one
// than it arrived in.
func (e *engine) inherit(from int, s Sample) {
	for i := from + 1; i < len(e.phases); i++ {
		ph := e.phases[i].Load()
		if ph == nil || s.Done <= ph.start {
			return
		}
		if int64(s.Done) <= ph.end.Load() {
			ph.inherited[s.Kind].Add(1)
			if s.Done-s.Intended > e.plan.Timeout {
				ph.overdue[s.Kind].Add(1)
			}
			return
		}
	}
}

// Recorders are large, and making one at the change of phase would hold up the
// next phase's first arrivals. Two are made beforehand and used in turns: seldom
// does a phase before the last still wait for answers.
func (e *engine) makeRecorders() {
	const spare = 2
	e.recorders = make(chan *Recorder, spare)
	for range min(spare, len(e.plan.Phases)) {
		e.recorders <- NewRecorder(len(e.kinds), never)
	}
}

func (e *engine) takeRecorder(end time.Duration) *Recorder {
	select {
	case r := <-e.recorders:
		r.end.Store(int64(end))
		return r
	default:
		return NewRecorder(len(e.kinds), end)
	}
}

// returnRecorder takes back one that gets no more samples, if any phase is still
// to come: otherwise its memory is better spent.
func (e *engine) returnRecorder(r *Recorder) {
	if e.phases[len(e.phases)-1].Load() != nil {
		return
	}
	r.reset()
	select {
	case e.recorders <- r:
	default:
	}
}

// drive keeps the phase going until its planned end or until ctx ends.
func (ph *phase) drive(ctx context.Context) {
	s := ph.sleeper()
	if ph.Load.Open() {
		ph.emit(ctx, s)
		ph.flush()
	}
	if ph.Total > 0 {
		s.close()
		select {
		case <-ph.finished:
		case <-ctx.Done():
		}
		ph.stop(ph.engine.clock.now())
		return
	}
	ph.sleepUntil(ctx, s, time.Duration(ph.end.Load()))
	s.close()
}

// sleeper waits for arrivals, and handles answers meanwhile where the engine has a
// poller.
func (ph *phase) sleeper() sleeper {
	if p := ph.engine.poller; p != nil && ph.Load.Open() {
		return newPollSleeper(p, ph.engine.alone)
	}
	return ph.engine.newSleeper()
}

// stop ends the phase at the given time, unless it was to end sooner.
func (ph *phase) stop(now time.Duration) {
	if now < time.Duration(ph.end.Load()) {
		ph.end.Store(int64(now))
		ph.recorder.end.Store(int64(now))
	}
}

// emit puts every arrival of the share in an open phase into the queue when it is due. All
// that are due at a wake-up go out together, each with its own intended time.
func (ph *phase) emit(ctx context.Context, s sleeper) {
	pacer := newPacer(ph.engine.plan, ph.index)
	planned := time.Duration(ph.end.Load()) - ph.start
	var stopped stalls
	for n := uint64(0); ph.Total == 0 || n < ph.Total; n++ {
		offset := pacer.At(n)
		if offset >= planned {
			return
		}
		if !ph.engine.share.Owns(n) {
			ph.emitted = n + 1
			continue
		}
		if !ph.sleepUntil(ctx, s, ph.start+offset) {
			return
		}
		a := arrival{phase: ph, n: n, intended: ph.start + offset}
		a.stalled = stopped.before(a.intended, ph.engine.clock.now(), ph.lane.waiting())
		ph.offer(a)
		ph.emitted = n + 1
	}
}

// numbersEnd is above every operation's number.
const numbersEnd = 1 << 62

// endNumbers ends the numbering of a phase that is over, and returns how many
// operations it had in all shares.
func (ph *phase) endNumbers() uint64 {
	if ph.Load.Open() {
		return ph.emitted
	}
	n := ph.taken.Swap(numbersEnd)
	switch {
	case ph.engine.share.whole() && ph.Total == 0:
		return n
	case ph.engine.share.whole():
		return min(n, ph.Total)
	case ph.Total > 0:
		return ph.Total
	}
	return closedNumbers * uint64(1+ph.Duration/time.Second)
}

// sleepUntil reports false when ctx ended first. Before it sleeps, it sends what was
// started.
func (ph *phase) sleepUntil(ctx context.Context, s sleeper, at time.Duration) bool {
	for wait := at - ph.engine.clock.now(); wait > 0; wait = at - ph.engine.clock.now() {
		if ctx.Err() != nil {
			return false
		}
		if len(ph.started) > 0 {
			ph.flush()
			continue
		}
		s.sleep(ctx, wait)
	}
	return ctx.Err() == nil
}

// offer hands an arrival to a client, or lets it wait, or drops it.
func (ph *phase) offer(a arrival) {
	kind := ph.engine.kindOf(ph.index, a.n)
	ph.active.Add(1)
	ph.offered[kind].Add(1)
	c, dropped := ph.lane.offer(a)
	switch {
	case dropped:
		ph.dropped[kind].Add(1)
		ph.engine.moments.record(a.intended, false, 0)
		ph.settle()
	case c != nil:
		a.free = true
		c.give(a)
		if c.starter == nil {
			return
		}
		if ph.started = append(ph.started, c); len(ph.started) == flushEvery {
			ph.flush()
		}
	}
}

// flush sends what was started.
func (ph *phase) flush() {
	flush(ph.started)
	ph.started = ph.started[:0]
}

// release sends the clients on their way and, where the next phase has another lane, gives up
// the arrivals that still wait.
func (ph *phase) release(next *phase) {
	close(ph.over)
	if ph.lane != nil && (next == nil || next.lane != ph.lane) {
		now := ph.engine.clock.now()
		arrivals, clients := ph.lane.close()
		for _, a := range arrivals {
			a.phase.record(0, Sample{
				Kind: ph.engine.kindOf(a.phase.index, a.n), Outcome: Abandoned,
				Intended: a.intended, Sent: now, Done: now,
			})
		}
		for _, c := range clients {
			c.release()
		}
	}
	for _, c := range ph.parked.end() {
		c.goOn()
	}
}

func (ph *phase) record(caller int, s Sample) {
	ph.sample(caller, s)
	ph.engine.moments.record(s.Intended, s.Outcome == Completed, s.Done-s.Intended)
	ph.settle()
}

// sample records an operation where it arrived and, if it was completed later, where it
// was completed.
func (ph *phase) sample(caller int, s Sample) {
	ph.recorder.Record(caller, s)
	if s.Outcome == Completed && int64(s.Done) > ph.end.Load() {
		ph.engine.inherit(ph.index, s)
	}
}

func (ph *phase) settle() {
	ph.active.Add(-1)
	if n := ph.settled.Add(1); ph.Total > 0 && n >= ph.total {
		ph.finishOnce.Do(func() { close(ph.finished) })
	}
}

func (e *engine) kindOf(phase int, n uint64) int {
	if c, ok := e.workload.(Chooser); ok {
		return c.KindOf(phase, n)
	}
	return 0
}
