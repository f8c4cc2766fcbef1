package workloads

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// trackedVersions is the number of versions that all watchers together follow, at 4 bytes
// each. If there are more keys, each watcher follows a sample of them.
const trackedVersions = 8 << 20

// trackedEvery returns the sampling interval that keeps within trackedVersions.
func trackedEvery(d watchDefinition) int64 {
	total := d.width * int64(d.streams*d.each)
	return 1 + (total-1)/trackedVersions
}

// versions are the versions of a prefix's keys at one revision. The version of a key grows by
// one with each put; a deleted or missing key has version 0.
type versions struct {
	revision int64
	every    int64
	of       []uint32 // by number/every
}

// readVersions reads the versions at a revision; 0 means the present one.
func readVersions(ctx context.Context, t Target, maker *keyMaker, revision, every int64) (*versions, error) {
	v := &versions{revision: revision, every: every, of: make([]uint32, (maker.Space-1)/every+1)}
	present, err := presentRevision(ctx, t)
	if err != nil {
		return nil, err
	}
	if v.revision == 0 {
		v.revision = present
	}
	st := t.begin(ctx, func() string { return "reading versions of keys" })
	err = eachKey(st.ctx, t, v.revision, true, func(kv *keyValue, _ int64) {
		st.progress()
		if n, ok := maker.number(kv.Key); ok && n%every == 0 {
			v.of[n/every] = uint32(kv.Version)
		}
	})
	return v, st.end(err)
}

// eventObserver checks the events of one watcher. The goroutine of its stream calls its
// methods; compareWith is called after that has ended.
type eventObserver struct {
	workload       *watchWorkload
	stream, number int // of the watcher on its stream
	caller         int // for spreading over the recorder

	first, width int64 // watched keys, continuing at the beginning of the key space after its end
	maker        *keyMaker
	watcher      *watcher
	// last is the last observed version of each followed key.
	last []uint32
	// blind: after a loss or with a filter, gaps are not violations.
	blind bool

	revision int64 // of the last event
	// before and at are when the last two responses arrived.
	before, at time.Duration
	phase      int // of the last event that had a stamp
	waiting    []waitingEvent
	nextLook   time.Duration // through the waiting
	gaps       []gap
}

// gap is a range of versions of a key without events: they count as missed unless the events
// come late.
type gap struct {
	place       int
	first, last uint32
	phase       int
	found       string                 // the event that came instead
	event       results.ProofOperation // the same
}

// maxGaps is the number of gaps that a watcher keeps open; further gaps count as missed at
// once.
const maxGaps = 1024

// waitingEvent is an event whose put is not known to be acknowledged.
type waitingEvent struct {
	revision int64
	at       time.Duration
	stamped  bool // its latencies from the put are already recorded
}

const (
	// maxWaiting is the number of events that a watcher keeps while their puts are not answered.
	maxWaiting = 1024
	// fewWaiting events are matched at every response; more are matched at intervals.
	fewWaiting   = 32
	lookInterval = 20 * time.Millisecond
	// longestAck is the longest wait for an acknowledgement.
	longestAck = 20 * time.Second
)

func newEventObserver(w *watchWorkload, stream, number int, maker *keyMaker) *eventObserver {
	d := w.definition
	place := stream*d.each + number
	o := &eventObserver{
		workload: w, stream: stream, number: number, caller: place, maker: maker,
		first: int64(place) * d.width % d.keys.Space, width: d.width,
		blind: d.noPut || d.noDelete,
	}
	if o.first+o.width > d.keys.Space {
		o.first = d.keys.Space - o.width
	}
	every := w.baseline.every
	for n := (o.first + every - 1) / every * every; n < o.first+o.width; n += every {
		o.last = append(o.last, w.baseline.of[n/every])
	}
	return o
}

// keyRange returns the range that the watcher requests.
func (o *eventObserver) keyRange(maker *keyMaker) (key, end []byte) {
	switch {
	case o.width == maker.Space:
		return []byte(maker.names.Prefix), prefixEnd(maker.names.Prefix)
	case o.width == 1:
		return maker.appendKey(nil, o.first), nil
	case o.first+o.width == maker.Space:
		return maker.appendKey(nil, o.first), prefixEnd(maker.names.Prefix)
	}
	return maker.appendKey(nil, o.first), maker.appendKey(nil, o.first+o.width)
}

// place returns the index of a key's last version, if the key is followed.
func (o *eventObserver) place(key []byte) (int, bool) {
	n, ok := o.maker.number(key)
	every := o.workload.baseline.every
	if !ok || n < o.first || n >= o.first+o.width || n%every != 0 {
		return 0, false
	}
	return int(n/every - (o.first+every-1)/every), true
}

// events handles the events of one response.
func (o *eventObserver) events(events []*mvccpb.Event, at time.Duration, late bool) {
	o.matchNow(at)
	o.before, o.at = o.at, at
	others := uint64(0)
	for i, e := range events {
		if i > 0 && e.Kv.ModRevision != events[i-1].Kv.ModRevision {
			others++
		}
		o.record(e, at)
		o.check(e)
		o.revision = max(o.revision, e.Kv.ModRevision)
	}
	o.count(eventsCoalesced, others)
	if late {
		o.count(eventsReadLate, uint64(len(events)))
	}
	o.matchNow(at)
}

func (o *eventObserver) count(count int, n uint64) {
	if n > 0 {
		o.workload.sink.Count(o.phase, watchEvent, count, n)
	}
}

// record records the event's times from the stamp in its value. A deletion has no stamp and
// waits for its acknowledgement. Stamps of other shares are from other clocks.
func (o *eventObserver) record(e *mvccpb.Event, at time.Duration) {
	if o.workload.target.isForeign(e.Kv.Value) {
		return
	}
	st, stamped := ledger.ReadStamp(e.Kv.Value, o.workload.target.shared.acks.Run)
	if stamped {
		o.phase = st.Phase
		o.workload.sink.Record(st.Phase, o.caller, bench.Sample{Kind: watchEvent, Intended: st.Intended, Sent: st.Sent, Done: at})
	}
	if len(o.waiting) >= maxWaiting { // give up the older half
		o.unmatched(o.waiting[:maxWaiting/2]...)
		o.waiting = o.waiting[:copy(o.waiting, o.waiting[maxWaiting/2:])]
	}
	o.waiting = append(o.waiting, waitingEvent{e.Kv.ModRevision, at, stamped})
}

// matchNow calls match if that is cheap, or if it has not been called for some time.
func (o *eventObserver) matchNow(now time.Duration) {
	if len(o.waiting) > fewWaiting && now < o.nextLook {
		return
	}
	o.nextLook = now + lookInterval
	o.match(now)
}

// match records the events whose acknowledgement has arrived, and gives up the oldest events.
func (o *eventObserver) match(now time.Duration) {
	left := o.waiting[:0]
	for _, w := range o.waiting {
		a, ok := o.workload.target.shared.acks.Find(w.revision)
		switch {
		case ok:
		case now-w.at > longestAck:
			o.unmatched(w)
			continue
		default:
			left = append(left, w)
			continue
		}
		sink := o.workload.sink
		if !w.stamped {
			sink.Record(a.Phase, o.caller, bench.Sample{Kind: watchEvent, Intended: a.Intended, Sent: a.Sent, Done: w.at})
		}
		if w.at < a.Acked {
			sink.Record(a.Phase, o.caller, bench.Sample{Kind: watchBeforeAck, Intended: w.at, Sent: w.at, Done: a.Acked})
		} else {
			sink.Record(a.Phase, o.caller, bench.Sample{Kind: watchAfterAck, Intended: a.Acked, Sent: a.Acked, Done: w.at})
		}
	}
	o.waiting = left
}

// unmatched counts events whose puts were not acknowledged here. Deletions may belong to other
// shares.
func (o *eventObserver) unmatched(list ...waitingEvent) {
	for _, w := range list {
		if w.stamped || o.workload.target.Share.Count <= 1 {
			o.count(eventsUnmatched, 1)
		}
	}
}

// check checks that the event is the next one of its key, and not older than another event of
// this watcher.
func (o *eventObserver) check(e *mvccpb.Event) {
	i, followed := o.place(e.Kv.Key)
	version := uint32(e.Kv.Version)
	if e.Type == mvccpb.Event_DELETE {
		version = 0
	}
	late := e.Kv.ModRevision < o.revision
	duplicate := e.Kv.ModRevision == o.revision && followed && o.last[i] == version
	if late || duplicate {
		expected := "no event after that of revision " + humanize.Comma(o.revision)
		switch {
		case followed && late && o.fill(i, version):
			o.fault(eventsDisordered, 1, o.phase, o.operation(e), expected,
				fmt.Sprintf("version %d at revision %s", version, humanize.Comma(e.Kv.ModRevision)))
		case followed && version <= o.last[i]:
			o.fault(eventsDuplicated, 1, o.phase, o.operation(e), "each event once",
				fmt.Sprintf("version %d at revision %s again", version, humanize.Comma(e.Kv.ModRevision)))
		default:
			o.fault(eventsDisordered, 1, o.phase, o.operation(e), expected, "one of revision "+humanize.Comma(e.Kv.ModRevision))
		}
		return
	}
	if !followed {
		return
	}
	last := o.last[i]
	o.last[i] = version
	if o.blind || version == last+1 || version == 0 && last > 0 {
		return
	}
	g := gap{place: i, first: last + 1, last: version - 1, phase: o.phase, event: o.operation(e),
		found: fmt.Sprintf("version %d at revision %s", version, humanize.Comma(e.Kv.ModRevision))}
	if version <= last { // the deletion between is missing, or the put before it
		g.first, g.last = 0, 0
	}
	if len(o.gaps) >= maxGaps {
		o.miss(g)
		return
	}
	o.gaps = append(o.gaps, g)
}

// fill removes a version whose event comes late from its gap.
func (o *eventObserver) fill(place int, version uint32) bool {
	for i, g := range o.gaps {
		if g.place != place || version < g.first || version > g.last {
			continue
		}
		rest := g
		o.gaps[i].last, rest.first = version-1, version+1
		if version == g.first {
			o.gaps = slices.Delete(o.gaps, i, i+1)
		}
		if rest.first <= rest.last {
			o.gaps = append(o.gaps, rest)
		}
		return true
	}
	return false
}

// miss counts a gap that was not filled.
func (o *eventObserver) miss(g gap) {
	expected := fmt.Sprintf("version %d", g.first)
	if g.last > g.first {
		expected = fmt.Sprintf("versions %d to %d", g.first, g.last)
	}
	if g.first == 0 {
		expected = "the event of a deletion, or of the put before it"
	}
	o.fault(eventsMissed, uint64(g.last-g.first)+1, g.phase, g.event, expected, g.found)
}

func (o *eventObserver) fault(count int, n uint64, phase int, event results.ProofOperation, expected, got string) {
	o.workload.sink.Count(phase, watchEvent, count, n)
	o.workload.violate(results.Violation{
		Key: event.Key, Expected: fmt.Sprintf("%s, at watcher %d of stream %d", expected, o.number, o.stream), Found: got, Operation: &event,
	})
}

// operation is an event, which arrived after the response before it. Without an event, it is the
// end of the watch.
func (o *eventObserver) operation(e *mvccpb.Event) results.ProofOperation {
	start := time.Now().Add(-o.workload.sink.Now()).Round(0)
	op := results.ProofOperation{
		Name: "watch", Sent: start.Add(o.before), Answered: start.Add(o.at), HeaderOnly: true, Conn: results.NoConn,
	}
	if o.watcher != nil && o.watcher.member != 0 {
		op.Member = strconv.FormatUint(o.watcher.member, 16)
	}
	if e == nil {
		op.Sent, op.Answered = op.Answered, time.Now().Round(0)
		return op
	}
	op.Key, op.Revision, op.Modified, op.Version = string(e.Kv.Key), e.Kv.ModRevision, e.Kv.ModRevision, e.Kv.Version
	return op
}

// key is the name of a followed key.
func (o *eventObserver) key(place int) string {
	every := o.workload.baseline.every
	return string(o.maker.appendKey(nil, ((o.first+every-1)/every+int64(place))*every))
}

// lost is called when history that the watcher had not received was compacted.
func (o *eventObserver) lost(int64) {
	o.count(eventsCompacted, 1)
	o.blind = true
}

// compareWith checks that the last event of each key has arrived. No events follow.
func (o *eventObserver) compareWith(final *versions) {
	o.match(0)
	o.unmatched(o.waiting...)
	for _, g := range o.gaps {
		o.miss(g)
	}
	if o.blind {
		return
	}
	firstPlace := (o.first + final.every - 1) / final.every
	for i, last := range o.last {
		want := final.of[firstPlace+int64(i)]
		if want == last {
			continue
		}
		n := uint64(1)
		if want > last {
			n = uint64(want - last)
		}
		end := o.operation(nil)
		end.Key, end.Revision = o.key(i), final.revision
		o.fault(eventsMissed, n, o.phase, end, fmt.Sprintf("events up to version %d", want),
			fmt.Sprintf("version %d was the last", last))
	}
}
