package bench

import (
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Outcome is the outcome of one operation.
type Outcome uint8

// The outcomes. An operation is answered, or it fails, or it times out, or it is still
// waiting or in flight when the run stops.
const (
	Completed Outcome = iota
	Failed
	TimedOut
	Abandoned
)

// Sample is one finished operation. All times are durations since the run's start.
type Sample struct {
	Kind    int
	Outcome Outcome
	// Intended is when the operation should have started, Sent when it was handed to the
	// transport, and Done when its outcome was known.
	Intended, Sent, Done time.Duration
}

// The series kept for each kind of operation. Response times hold completed and
// unfinished operations, service and queue times the completed ones.
const (
	seriesResponse = iota
	seriesService
	seriesQueue
	seriesFailedResponse
	seriesUnfinished
	seriesCount
)

// maxShards bounds the recorder's memory on machines with many cores.
const maxShards = 8

// Recorder counts the samples of one phase. Recording takes no lock, waits for no client and
// allocates nothing. Memory grows neither with samples nor with clients.
//
// Its shards correspond to CPUs. Each shard has two buffers: writers count into one while the
// other is read. The exchange is Gil Tene's WriterReaderPhaser (HdrHistogram): each writer
// performs one atomic addition when it enters and one when it leaves, and only the reader
// waits.
type Recorder struct {
	end atomic.Int64 // when the phase ends; later answers are late
	// timeout is the response time above which an answer is overdue; 0 disables the check.
	timeout time.Duration
	shards  []*shard

	// phase and lag hold what was collected so far: the totals by kind, and the send lag.
	phase []*total
	lag   series
}

type shard struct {
	in     atomic.Int64    // writers that have entered; negative in odd epochs
	out    [2]atomic.Int64 // writers that have left, by epoch
	_      [64]byte        // padding to the next cache line
	buffer [2]shardBuffer  // by epoch
}

type shardBuffer struct {
	kinds []kindBuffer
	lag   counter
}

type kindBuffer struct {
	series                            [seriesCount]counter
	late, overdue, timedOut, overflow atomic.Uint64
}

// total holds the counts and histograms of one kind over a whole phase.
type total struct {
	tally
	hists [seriesCount]series
}

func (t *total) reset() {
	t.tally = tally{}
	for i := range t.hists {
		t.hists[i].empty()
	}
}

// count returns the number of samples of a series.
func (t *total) count(series int) uint64 { return uint64(t.hists[series].total()) }

// tally holds the counts of one kind that its histograms do not contain.
type tally struct{ late, overdue, timedOut, overflow uint64 }

func (t *tally) add(o tally) {
	t.late += o.late
	t.overdue += o.overdue
	t.timedOut += o.timedOut
	t.overflow += o.overflow
}

// NewRecorder returns a recorder for the given number of kinds of operation. Answers after end,
// the phase's end since the run's start, are counted as late.
func NewRecorder(kinds int, end time.Duration) *Recorder {
	r := &Recorder{}
	r.end.Store(int64(end))
	for range min(runtime.GOMAXPROCS(0), maxShards) {
		s := &shard{}
		s.out[1].Store(math.MinInt64)
		for e := range s.buffer {
			s.buffer[e] = newShardBuffer(kinds)
		}
		r.shards = append(r.shards, s)
	}
	r.phase = newTotals(kinds)
	return r
}

func newTotals(kinds int) []*total {
	ts := make([]*total, kinds)
	for k := range ts {
		ts[k] = &total{}
	}
	return ts
}

// reset empties a recorder that was collected, so that another phase can use it.
func (r *Recorder) reset() {
	r.lag.empty()
	for _, t := range r.phase {
		t.reset()
	}
}

func newShardBuffer(kinds int) shardBuffer {
	b := shardBuffer{kinds: make([]kindBuffer, kinds), lag: newCounter()}
	for k := range b.kinds {
		for i := range b.kinds[k].series {
			b.kinds[k].series[i] = newCounter()
		}
	}
	return b
}

// Record counts one sample. The caller's number, such as that of a client, only spreads callers
// over the shards.
func (r *Recorder) Record(caller int, s Sample) {
	sh := r.shards[caller%len(r.shards)]
	epoch := sh.enter()
	b := &sh.buffer[epoch].kinds[s.Kind]
	response := s.Done - s.Intended
	if int64(response) > results.HighestTime {
		b.overflow.Add(1)
	}
	switch s.Outcome {
	case Completed:
		b.series[seriesResponse].record(response)
		b.series[seriesService].record(s.Done - s.Sent)
		b.series[seriesQueue].record(s.Sent - s.Intended)
		switch {
		case int64(s.Done) > r.end.Load():
			b.late.Add(1)
		case response > r.timeout && r.timeout > 0:
			b.overdue.Add(1)
		}
	case Failed:
		b.series[seriesFailedResponse].record(response)
	default:
		// The time so far is a lower bound of the response time.
		b.series[seriesResponse].record(response)
		b.series[seriesUnfinished].record(response)
		if s.Outcome == TimedOut {
			b.timedOut.Add(1)
		}
	}
	sh.out[epoch].Add(1)
}

// RecordLag counts the delay until an arrival reached a free client.
func (r *Recorder) RecordLag(caller int, lag time.Duration) {
	sh := r.shards[caller%len(r.shards)]
	epoch := sh.enter()
	sh.buffer[epoch].lag.record(lag)
	sh.out[epoch].Add(1)
}

// enter registers a writer and returns the epoch whose buffer the writer may use until it adds
// one to that epoch's out.
func (s *shard) enter() int {
	if s.in.Add(1) < 0 {
		return 1
	}
	return 0
}

// writersWait is the time for which flip sleeps when a writer is not scheduled.
const writersWait = 10 * time.Microsecond

// flip switches the shard's writers to the other buffer. It returns the previous buffer when
// the last writer has left it. One goroutine may call it at a time.
func (s *shard) flip() *shardBuffer {
	old, start := 0, int64(math.MinInt64)
	if s.in.Load() < 0 {
		old, start = 1, 0
	}
	s.out[1-old].Store(start)
	entered := s.in.Swap(start)
	for spins := 0; s.out[old].Load() != entered; spins++ {
		if spins < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(writersWait)
		}
	}
	return &s.buffer[old]
}

// collect adds the counts since the last call to interval and lag, and to the phase's totals.
// One goroutine may call it at a time.
func (r *Recorder) collect(interval []*total, lag *series) {
	for _, t := range interval {
		t.reset()
	}
	for _, s := range r.shards {
		b := s.flip()
		b.lag.drain(&r.lag, lag)
		for k := range b.kinds {
			b.kinds[k].drainInto(interval[k], r.phase[k])
		}
	}
}

func (b *kindBuffer) drainInto(interval, phase *total) {
	t := tally{late: b.late.Swap(0), overdue: b.overdue.Swap(0), timedOut: b.timedOut.Swap(0), overflow: b.overflow.Swap(0)}
	interval.tally.add(t)
	phase.tally.add(t)
	for i, c := range b.series {
		c.drain(&interval.hists[i], &phase.hists[i])
	}
}
