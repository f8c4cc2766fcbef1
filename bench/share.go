package bench

import (
	"context"
	"sort"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A Share is the part of a plan that one of several generators carries out. Together, the
// shares of a plan send the same requests as one generator. The zero value is the whole plan.
type Share struct {
	// Index is the share's place, from 0. Count is the number of shares.
	Index int `json:"index"`
	Count int `json:"count"`
}

// whole reports whether the share is all of the plan.
func (s Share) whole() bool { return s.Count <= 1 }

// Number returns the number in the plan of the share's operation k. Both count from 0. Each
// block of Count consecutive numbers contains one number of every share. A hash decides which
// one: with a fixed assignment, a mix with a period could give all of its writes to one share.
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

// Divide divides total numbered items, such as clients, among the shares. It returns the first
// number of this share's part, from 0, and the size of the part.
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

// Planned returns the number of operations that each phase of the plan offers in all shares.
// known is false if the number of operations of a phase is not known before the run: that is
// the case for a closed loop that ends by time.
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

// arrivalsIn returns the number of arrivals of an open phase that ends by time.
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

// Peers synchronizes a share with the other shares of its run.
type Peers interface {
	// Start reports that the share is ready. It returns the time at which the load begins, on
	// this process's clock.
	Start(ctx context.Context) (time.Time, error)
	// Ended returns a channel that is closed when all shares must end their load before its
	// phases have ended, as planned.
	Ended() <-chan struct{}
	// Drained reports that the share has no request in flight, and waits until the same is true
	// of all shares.
	Drained(ctx context.Context) error
	// Done hands over the share's result and evidence, and waits until the proof is made.
	Done(ctx context.Context, run *results.Run, evidence []byte) error
}

// Opener is implemented by workloads that prepare each process, after Setup has prepared the
// cluster once.
type Opener interface {
	Open(ctx context.Context, progress func(done, total int)) error
}

// closedNumbers is an upper bound of the operations per second of a closed loop. Shares do not
// know how many operations the other shares have carried out. So they number the operations
// after a closed phase that ends by time as if the phase had this many operations per second.
const closedNumbers = maxRate

// Sharer is implemented by workloads that several processes can run in shares.
type Sharer interface {
	// Handover returns the data of Setup that the other processes need. TakeOver passes it to
	// one of them, before Open.
	Handover() ([]byte, error)
	TakeOver([]byte) error
	// Evidence returns the data of a share for the proof of the whole run, or nil if there is
	// none. Accept passes it to the process that makes the proof.
	Evidence(ctx context.Context) ([]byte, error)
	Accept([]byte) error
}

// startClock starts the run's clock: now, or at the common start of the shares.
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
		e.clock = clock{start: time.Now()} // no load follows; with a start in the future, times would be negative
	}
	return nil
}

// endWithPeers ends the load when the peers end theirs, unless ctx ends first.
func (e *engine) endWithPeers(ctx context.Context) {
	select {
	case <-e.peers.Ended():
		e.endLoad()
	case <-ctx.Done():
	}
}

// handOver hands the share's result over to the peers.
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
