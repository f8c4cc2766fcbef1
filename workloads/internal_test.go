package workloads

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/client/v3/concurrency"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// Every operation belongs to one part; the parts number theirs without gaps, and
// have their shares in any stretch, not only in the long run.
func TestTurnsKeepToTheWeights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0, 100), 1, 12).Draw(t, "weights")
		sum := 0.0
		for _, w := range weights {
			sum += w
		}
		if sum < 1 {
			weights[0]++
			sum++
		}
		turns := newTurns(weights)
		next := make([]uint64, len(weights))
		const operations = 3000
		for n := range uint64(operations) {
			part, own := turns.at(n)
			if own != next[part] {
				t.Fatalf("operation %d is number %d of part %d, want %d", n, own, part, next[part])
			}
			next[part]++
		}
		for i, w := range weights {
			want := w / sum * operations
			if got := float64(next[i]); math.Abs(got-want) > 2+0.01*want+float64(len(weights)) {
				t.Errorf("part %d had %v of %d operations, want %.1f", i, got, operations, want)
			}
		}
	})
}

// Each part's operations are numbered over the whole run without gaps, whatever the
// phases.
func TestPartsAreNumberedOverTheRun(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.Float64Range(0.1, 100), 2, 5).Draw(t, "weights")
		m := &mix{turns: newTurns(weights)}
		numbers := make([][]uint64, len(weights))
		var workers []*mixWorker
		for range 2 {
			workers = append(workers, &mixWorker{mix: m, workers: make([]bench.Worker, len(weights))})
		}
		var earlier []uint64
		for _, operations := range rapid.SliceOfN(rapid.Uint64Range(0, 700), 1, 4).Draw(t, "operations") {
			for n := range operations {
				part, own, before := workers[n%2].numberOf(n, earlier)
				numbers[part] = append(numbers[part], before+own)
			}
			earlier = append(slices.Clone(earlier), operations)
		}
		for i, list := range numbers {
			for n, number := range list {
				if number != uint64(n) {
					t.Fatalf("part %d: operation %d has number %d", i, n, number)
				}
			}
		}
	})
}

// halves is a workload of two parts, whose operations do nothing but note their numbers.
type halves struct {
	noSetup
	mix     *mix
	numbers [2][]uint64
}

// halfWorker is one part.
type halfWorker struct{ numbers *[]uint64 }

func (w *halves) Name() string        { return "halves" }
func (w *halves) Kinds() []bench.Kind { return []bench.Kind{{Name: "half"}} }
func (w *halves) NewWorker(context.Context, int) (bench.Worker, error) {
	return &mixWorker{mix: w.mix, workers: []bench.Worker{halfWorker{&w.numbers[0]}, halfWorker{&w.numbers[1]}}}, nil
}

func (w halfWorker) Do(_ context.Context, op *bench.Op) error {
	*w.numbers = append(*w.numbers, op.Before+op.N)
	return nil
}

// A part is given those numbers in a run.
func TestPartsAreGivenTheirNumbers(t *testing.T) {
	w := &halves{mix: &mix{turns: newTurns([]float64{1, 1})}}
	plan := bench.Plan{Clients: 1, Timeout: time.Second}
	plan.Phases = []bench.PlanPhase{{Name: "a", Total: 7}, {Name: "b", Total: 5}, {Name: "c", Total: 8}}
	if _, err := bench.Run(t.Context(), plan, w, bench.Options{}); err != nil {
		t.Fatal(err)
	}
	for i, list := range w.numbers {
		for n, number := range list {
			if number != uint64(n) {
				t.Errorf("part %d: operation %d has number %d", i, n, number)
			}
		}
	}
	if got := len(w.numbers[0]) + len(w.numbers[1]); got != 20 {
		t.Errorf("the parts had %d operations, want 20", got)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"put", "range", "watch-create", "lease-keepalive"}
	for name, want := range map[string]string{"putt": "put", "ragne": "range", "watch": "watch-create", "leasekeepalive": "lease-keepalive", "zzzzzz": "", "": ""} {
		got := results.Nearest(name, names)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("nearest to %q: %q, want %q", name, got, want)
		}
	}
}

// Keys of one operation are different, within the key space, and the same each
// time; their names can be read back.
func TestSeveralKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.Int64Range(1, 200).Draw(t, "space")
		count := int(rapid.Int64Range(1, space).Draw(t, "count"))
		k := Keys{Size: 20, Space: space, Distribution: rapid.SampledFrom(keyDistributions[:]).Draw(t, "keys"), Theta: 0.9, HotKeys: 0.2, HotOps: 0.8}
		m := newKeyMaker(k, Target{Prefix: "/p/", Seed: 3})
		n := rapid.Uint64().Draw(t, "n")
		choose := func() []int64 { return m.several(nil, &bench.Op{Phase: 1, N: n}, count) }
		first, again := choose(), choose()
		seen := map[int64]bool{}
		for i, number := range first {
			if number < 0 || number >= space || seen[number] || again[i] != number {
				t.Fatalf("keys %v and %v", first, again)
			}
			seen[number] = true
			if back, ok := m.number(m.appendKey(nil, number)); !ok || back != number {
				t.Errorf("key %d read back as %d, %v", number, back, ok)
			}
		}
	})
}

// Two holders at once are a violation, whoever gives back first.
func TestHoldersOverlap(t *testing.T) {
	h := newHolders("locks", 2)
	acquire := func(i, client int, session *concurrency.Session, name string, revision int64) (*holder, bool) {
		ours := &holder{client: client, session: session, name: name, revision: revision}
		return ours, h.acquire(i, ours, func() time.Duration { return 0 })
	}
	session := new(concurrency.Session) // lives for ever
	first, alone := acquire(0, 1, session, "/l/0", 1)
	if !alone {
		t.Error("the first holder is not alone")
	}
	if _, alone := acquire(1, 2, session, "/l/1", 2); !alone {
		t.Error("another lock's holder is not alone")
	}
	h.release(0, first)
	second, alone := acquire(0, 2, session, "/l/0", 3)
	if !alone {
		t.Error("the lock was given back, but the next holder is not alone")
	}
	if _, alone := acquire(0, 3, session, "/l/0", 4); alone {
		t.Error("two holders at once, and nothing was seen")
	}
	h.release(0, second) // no longer the present holder: the third stays
	if _, alone := acquire(0, 4, session, "/l/0", 5); alone {
		t.Error("the third holder was forgotten")
	}
	var proof results.Proof
	h.verify(&proof)
	proof.Judge()
	if proof.Verdict != results.Violated || proof.Found != 2 || proof.Violations[0].Key != "/l/0" || proof.Checks[0].Checked != 5 {
		t.Errorf("%+v", proof)
	}
}

// What an event costs besides being read from its stream.
func BenchmarkEvent(b *testing.B) {
	w := &watchWorkload{
		definition: watchDefinition{keys: Keys{Size: 48, Space: 100}, streams: 1, each: 1, width: 100},
		target:     Target{Prefix: "/p/", shared: &shared{acks: ledger.NewAcks(7)}}, sink: bench.ClosedSink(),
		baseline: &versions{every: 1, of: make([]uint32, 100)},
	}
	maker := newKeyMaker(w.definition.keys, w.target)
	o := newEventObserver(w, 0, 0, maker)
	value := make([]byte, 256)
	ledger.Stamp{}.Put(value, 7)
	events := []*mvccpb.Event{{Kv: &mvccpb.KeyValue{Key: maker.appendKey(nil, 5), Value: value}}}
	b.ReportAllocs()
	for n := int64(1); b.Loop(); n++ {
		events[0].Kv.ModRevision, events[0].Kv.Version = n, n
		w.target.shared.acks.Add(n, ledger.Ack{Acked: 1})
		o.events(events, 2, false)
	}
}

// A response that the server splits counts once it is whole: when the connection
// breaks in the middle, its events come again, and each is seen once.
func TestBrokenFragments(t *testing.T) {
	s := newWatchStream(nil, nil)
	var seen []int64
	s.add(&watcher{create: &pb.WatchCreateRequest{StartRevision: 5}, events: func(events []*mvccpb.Event, _ time.Duration, _ bool) {
		for _, e := range events {
			seen = append(seen, e.Kv.ModRevision)
		}
	}})
	part := func(fragment bool, revisions ...int64) {
		r := &pb.WatchResponse{WatchId: 1, Fragment: fragment}
		for _, rev := range revisions {
			r.Events = append(r.Events, &mvccpb.Event{Kv: &mvccpb.KeyValue{ModRevision: rev}})
		}
		if err := s.handle(received{response: r}); err != nil {
			t.Fatal(err)
		}
	}
	created := &pb.WatchResponse{WatchId: 1, Created: true}
	for _, step := range []func(){
		func() { _ = s.handle(received{response: created}) },
		func() { part(true, 5, 6) }, // and the connection breaks
		func() { _ = s.handle(received{response: created}) },
		func() { part(true, 5, 6) },
		func() { part(false, 6, 7) },
	} {
		if len(seen) > 0 {
			t.Fatalf("half a response was taken for a whole one: %v", seen)
		}
		if next := s.createRequests()[0].GetCreateRequest().StartRevision; next != 5 {
			t.Fatalf("it would go on from revision %d, want 5", next)
		}
		step()
	}
	if !slices.Equal(seen, []int64{5, 6, 6, 7}) || s.watchers[0].next != 8 {
		t.Errorf("saw %v, goes on from %d", seen, s.watchers[0].next)
	}
}
