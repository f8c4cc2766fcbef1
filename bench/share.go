package bench

import (
	"context"
	"sort"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A Share is the part of a plan that one of several generators carries out. Together,
// the shares of a plan send what one generator would have sent, request by request. The
// zero value is the whole plan.
type Share struct {
	// Index is the place of the share, from 0. Count is how many shares there are.
	Index int `json:"index"`
	Count int `json:"count"`
}

// whole reports whether the share is all of the plan.
func (s Share) whole() bool { return s.Count <= 1 }

// Number returns the number in the plan of operation k of the share; both count from 0.
// Of each Count numbers that follow one another, every share has one. Which one changes
// by a hash: were it always the same, a mix that repeats itself could give all of its
// writes to one share.
func (s Share) Number(k uint64) uint64 {
	if s.whole() {
		return k
	}
	count := uint64(s.Count)
	return k*count + (uint64(s.Index)+scramble(k)%count)%count
}

// Owns reports whether an operation of the plan belongs to the share.
func (s Share) Owns(n uint64) bool { return s.whole() || s.Number(n/uint64(s.Count)) == n }

// Below returns how many of the first total operations of the plan belong to the share.
func (s Share) Below(total uint64) uint64 {
	if s.whole() {
		return total
	}
	k := total / uint64(s.Count)
	if s.Number(k) < total {
		return k + 1
	}
	return k
}

// Divide returns the share's part of total things that are numbered from 0, such as
// clients: the first number, and how many there are.
func (s Share) Divide(total int) (first, count int) {
	if s.whole() {
		return 0, total
	}
	each, rest := total/s.Count, total%s.Count
	first = s.Index*each + min(s.Index, rest)
	if s.Index < rest {
		each++
	}
	return first, each
}

// scramble is the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Planned returns how many operations each phase of the plan offers in all. known is false
// where one is a closed loop that ends by time.
func Planned(p Plan) (phases []uint64, known bool) {
	known = true
	for i, ph := range p.Phases {
		n := ph.Total
		switch {
		case !ph.Load.Open() && ph.Total == 0:
			known = false
		case ph.Total == 0:
			n = arrivalsIn(p, i)
		}
		phases = append(phases, n)
	}
	return phases, known
}

// arrivalsIn returns how many arrivals an open phase that ends by time has.
func arrivalsIn(p Plan, phase int) (n uint64) {
	pacer, end := newPacer(p, phase), p.Phases[phase].Duration
	if _, walk := pacer.(*PoissonPacer); !walk {
		most := int((p.Phases[phase].Load.Rate+p.Phases[phase].Load.RateEnd+1)*end.Seconds()) + 2
		return uint64(sort.Search(most, func(n int) bool { return pacer.At(uint64(n)) >= end }))
	}
	for pacer.At(n) < end {
		n++
	}
	return n
}

// Peers keep a share in step with the others of its run.
type Peers interface {
	// Start reports that the share is ready. It returns when the load begins, on this
	// process's clock.
	Start(ctx context.Context) (time.Time, error)
	// Ended is closed when all shares end their load before its phases are over, as planned.
	Ended() <-chan struct{}
	// Drained reports that no request of the share is in flight, and waits until that is
	// so of all shares.
	Drained(ctx context.Context) error
	// Done hands over what the share measured, and its evidence, and waits until the run
	// is proved.
	Done(ctx context.Context, run *results.Run, evidence []byte) error
}

// Opener is implemented by workloads that prepare something in each process, after Setup
// has prepared the cluster once.
type Opener interface {
	Open(ctx context.Context, progress func(done, total int)) error
}

// closedNumbers is more than the operations that a closed loop has in a second. Shares do
// not know how many operations the others have had, so that for them, a closed phase that
// ends by time counts as so many for each second.
const closedNumbers = maxRate

// Sharer is implemented by workloads that can be run in shares by several processes.
type Sharer interface {
	// Handover returns what the other processes must know of Setup, TakeOver takes it
	// over in one of them, before Open.
	Handover() ([]byte, error)
	TakeOver([]byte) error
	// Evidence returns what a share knows for the proof of the whole, nil for nothing,
	// and Accept takes it over where the proof is made.
	Evidence(ctx context.Context) ([]byte, error)
	Accept([]byte) error
}

// startClock starts the run's clock: now, or when the shares begin together.
func (e *engine) startClock(ctx context.Context) error {
	e.clock = clock{start: time.Now()}
	if e.peers == nil {
		return nil
	}
	start, err := e.peers.Start(ctx)
	if err != nil {
		return err
	}
	e.clock = clock{start: start}
	s := e.newSleeper()
	defer s.close()
	if !e.sleepUntil(ctx, s, 0) {
		e.clock = clock{start: time.Now()} // the load ends as it begins, and no time is negative
	}
	return nil
}

// endWithPeers ends the load when the peers do, until ctx ends.
func (e *engine) endWithPeers(ctx context.Context) {
	select {
	case <-e.peers.Ended():
		e.endLoad()
	case <-ctx.Done():
	}
}

// handOver gives the peers what the share measured.
func (e *engine) handOver(ctx context.Context) error {
	var evidence []byte
	if s, ok := e.workload.(Sharer); ok {
		var err error
		if evidence, err = s.Evidence(ctx); err != nil {
			return err
		}
	}
	return e.peers.Done(ctx, e.run, evidence)
}
