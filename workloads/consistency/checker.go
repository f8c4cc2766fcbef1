// Package consistency checks the answers of a cluster during the load: that
// none is older than an answer received before its request was sent, and that the
// reads of a sample of keys return the last write at their revision.
//
// etcd numbers all changes of its store with one counter, the revision. Each
// answer contains the revision of the store. So no search for an order of the
// operations is necessary: the order is known, and each answer is compared with it.
//
// Clients call a [Checker] before a request is sent and after it was answered. Both
// calls take no lock and allocate nothing. Recency is decided at once. A read or write
// of a sampled key is recorded as an event, and a goroutine of the checker compares the
// events of each key, in any order.
// Memory is bounded: the sample has a fixed number of keys, and the histories of all
// have a fixed number of versions, of which the oldest are forgotten.
//
// The package sends no requests and knows no protocol.
package consistency

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Options are the settings of a checker.
type Options struct {
	// Exclusive means that no other client writes the keys of the run. Otherwise a version
	// that no client of the run has written is attributed to another client.
	Exclusive bool
	// Keys names the keys of the request of an [Answer], for a violation. With nil, answers
	// have no request.
	Keys func(request any) string
}

// A Checker checks the answers that the clients of one run get. Its methods may be
// called by many goroutines at once.
type Checker struct {
	alone bool
	keys  func(request any) string
	start time.Time
	seed  maphash.Seed
	// highest is the highest revision that was answered.
	highest atomic.Int64
	// begin is the store's revision before the first write; 0 if it is unknown.
	begin atomic.Int64
	// wide is set by a request that changes keys without naming each.
	wide    atomic.Bool
	sample  sample
	revoked revocations
	lanes   [laneCount]lane

	// mu is held by the reader of the lanes.
	mu        sync.Mutex
	histories histories
	round     round
	proof     results.Proof
	open      []open
	outcomes  outcomes
}

// New returns a checker without any calls.
func New(o Options) *Checker { return newChecker(o, laneSize) }

func newChecker(o Options, laneSize int) *Checker {
	c := &Checker{alone: o.Exclusive, keys: o.Keys, start: time.Now(), seed: maphash.MakeSeed(), sample: newSample()}
	for i := range c.lanes {
		c.lanes[i].init(laneSize)
	}
	c.histories.keys = make([]*history, sampleSize)
	return c
}

// Begin sets the store's revision before the first write of the run.
func (c *Checker) Begin(revision int64) {
	c.begin.CompareAndSwap(0, revision)
	raise(&c.highest, revision)
}

// Began returns the store's revision before the first write of the run; 0 is not known.
func (c *Checker) Began() int64 { return c.begin.Load() }

// hash returns the hash of a key or of a value. It is never 0.
func (c *Checker) hash(b []byte) uint64 { return max(1, maphash.Bytes(c.seed, b)) }

// raise sets an atomic to a value unless it is larger already.
func raise(to *atomic.Int64, value int64) {
	for old := to.Load(); old < value; old = to.Load() {
		if to.CompareAndSwap(old, value) {
			return
		}
	}
}

// checkEvery is the time between two readings of events. checkIdle is that time when there are
// few events: each reading wakes the process. A lane holds the events of many such intervals.
const (
	checkEvery = 5 * time.Millisecond
	checkIdle  = 40 * time.Millisecond
)

// nextCheck returns the time until the next reading. wait is the time since the previous
// reading, and found the number of events in the fullest lane.
func nextCheck(wait time.Duration, found uint64) time.Duration {
	switch {
	case found > laneSize/4:
		return checkEvery
	case found < laneSize/16:
		return min(2*wait, checkIdle)
	}
	return wait
}

// Run compares events until stop is closed.
func (c *Checker) Run(stop <-chan struct{}) {
	wait := checkEvery
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-stop:
			return
		case <-timer.C:
			wait = nextCheck(wait, c.drain())
			timer.Reset(wait)
		}
	}
}

// Verify compares the remaining events and adds the checks and their violations to a proof.
// The clients must be at rest.
func (c *Checker) Verify(proof *results.Proof) {
	for range 3 { // rounds after which every event is compared with every other
		c.drain()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.explainOpen(true)
	var answers uint64
	for i := range c.lanes {
		answers += c.lanes[i].answers.Load()
	}
	if answers > 0 {
		proof.Checks = append(proof.Checks, results.Check{
			Name: CheckRecency, Checked: answers, Of: answers, Note: "no answer is older than one received before its request was sent",
		})
	}
	if c.histories.compared > 0 {
		proof.Checks = append(proof.Checks, c.contentCheck())
	}
	if c.outcomes.writes > 0 {
		proof.Checks = append(proof.Checks, c.outcomes.check())
	}
	proof.Merge(c.proof)
}
