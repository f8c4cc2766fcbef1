package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// phase is one phase of the plan during its execution.
type phase struct {
	PlanPhase
	engine *engine
	index  int
	start  time.Duration
	// end is the planned end while the phase goes on, and the actual end after that, in
	// nanoseconds since the run's start.
	end      atomic.Int64
	recorder *Recorder
	// total is the share's part of Total.
	total uint64

	// taken is the number of operations of a closed loop that the share has started. emitted is
	// the number after the last arrival of an open loop, counted over all shares.
	taken   atomic.Uint64
	emitted uint64
	// earlier is [Op.Earlier], and before its sum.
	earlier []uint64
	before  uint64
	offered []atomic.Uint64   // by kind
	dropped []atomic.Uint64   // by kind
	counts  [][]atomic.Uint64 // by kind and count
	// inherited counts the operations that were completed in the phase and had arrived before
	// it. overdue counts those of them that were completed after their timeout.
	inherited, overdue []atomic.Uint64 // by kind
	// backlog is the number of operations that had arrived before the phase began and had no
	// outcome then.
	backlog int64
	// settled is the number of operations whose outcome is known.
	settled atomic.Uint64
	// active is the number of operations that wait or are in flight. A client raises it before
	// it checks whether the phase still goes on, so that a phase that has ended and has no
	// active operation gets no more samples.
	active atomic.Int64

	lane   *lane // nil in a closed loop
	parked parking
	over   chan struct{}
	// started holds the clients that were handed an arrival and have not sent it yet.
	started []*client
	// finished is closed when all Total operations are settled.
	finished   chan struct{}
	finishOnce sync.Once
}

// arrival is one planned start in an open loop.
type arrival struct {
	phase    *phase
	n        uint64
	intended time.Duration
	// free says that a client was waiting, so that any delay after the offer is send lag.
	free bool
	// stalled is the stall time of the generator before this arrival and before the arrivals
	// ahead of it in the queue. It is an upper bound of the generator's part of the wait. If it
	// is less than half of the wait, the arrival counts as waiting for the server.
	stalled time.Duration
}

// stalls adds up the stalls of the generator. After a stall, arrivals leave late, all at once,
// and others wait behind them. No wait that a stall causes is longer than the sum of the stalls
// since the queue was last empty. end is the end of the last stall.
type stalls struct{ end, sum time.Duration }

// leastStall is the delay of an arrival from which on it counts as a stall.
const leastStall = 5 * time.Millisecond

// before returns the stall time that may delay an arrival that leaves now: the arrival's own
// stall and those of the arrivals ahead of it. waiting is the number of arrivals in the queue.
func (s *stalls) before(intended, now time.Duration, waiting int) time.Duration {
	if waiting == 0 {
		s.sum = 0
	}
	if late := now - intended; late > leastStall {
		if intended >= s.end { // the first arrival after this stall
			s.sum += late
			s.end = now
		}
		s.sum = max(s.sum, late)
	}
	return s.sum
}

// newPhase returns a phase that begins where the last one ended. Consecutive open phases share
// a lane, so that the backlog of one phase delays the next.
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
	case e.peers == nil: // shares begin together, at 0
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

// backlog returns the number of operations that wait or are in flight.
func (e *engine) backlog() (n int64) {
	for i := range e.phases {
		if ph := e.phases[i].Load(); ph != nil {
			n += ph.active.Load()
		}
	}
	return n
}

// inherit counts a completion in the phase in which it happened, if that phase is later than
// the one of the arrival.
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

// makeRecorders allocates two recorders before the load. Recorders are large, and allocating
// one at the change of phase would delay the first arrivals of the next phase. Two are enough
// to alternate between phases, because a phase before the last one rarely has operations in
// flight.
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

// returnRecorder keeps a recorder that gets no more samples for reuse, if another phase
// follows. Otherwise its memory is released.
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

// sleeper returns the sleeper that waits for arrivals. If the engine has a poller, it handles
// answers during the wait.
func (ph *phase) sleeper() sleeper {
	if p := ph.engine.poller; p != nil && ph.Load.Open() {
		return newPollSleeper(p, ph.engine.oneGoroutine)
	}
	return ph.engine.newSleeper()
}

// stop ends the phase at the given time, unless its end is earlier.
func (ph *phase) stop(now time.Duration) {
	if now < time.Duration(ph.end.Load()) {
		ph.end.Store(int64(now))
		ph.recorder.end.Store(int64(now))
	}
}

// emit offers every arrival of the share in an open phase when it is due. All arrivals that are
// due at a wake-up are offered together, each with its own intended time.
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

// numbersEnd is greater than any operation's number.
const numbersEnd = 1 << 62

// endNumbers ends the numbering of a phase that has ended, and returns the number of its
// operations in all shares.
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

// sleepUntil waits until the given time and reports whether ctx is still active. Before it
// sleeps, it flushes the started requests.
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

// offer hands an arrival to a waiting client, queues it, or drops it.
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

// flush sends the requests of the started clients.
func (ph *phase) flush() {
	flush(ph.started)
	ph.started = ph.started[:0]
}

// release wakes the clients that wait in the phase. If the next phase has another lane, the
// arrivals that still wait are recorded as abandoned.
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

// sample records an operation in the phase of its arrival and, if it was completed in a later
// phase, in that one as well.
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
