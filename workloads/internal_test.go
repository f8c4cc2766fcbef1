package workloads

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/client/v3/concurrency"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
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

// What a key holds at the end goes with its last acknowledged write, or there is
// a reason.
func TestLedgerJudges(t *testing.T) {
	keys := Keys{Size: 20, Space: 100}
	a, b := []byte("a"), []byte("b")
	for name, c := range map[string]struct {
		fate  fate
		write func(s *ledgerSpace)
		found found
		ok    bool
	}{
		"never written":                  {found: found{revision: 3, value: b}, ok: true},
		"as written":                     {write: func(s *ledgerSpace) { s.wrote(5, 7, a) }, found: found{revision: 7, value: a}, ok: true},
		"gone":                           {write: func(s *ledgerSpace) { s.wrote(5, 7, a) }},
		"gone with its lease":            {fate: fate{expires: true}, write: func(s *ledgerSpace) { s.wrote(5, 7, a) }, ok: true},
		"another value":                  {write: func(s *ledgerSpace) { s.wrote(5, 7, a) }, found: found{revision: 7, value: b}},
		"older":                          {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.wrote(5, 9, b) }, found: found{revision: 7, value: a}},
		"acknowledged out of order":      {write: func(s *ledgerSpace) { s.wrote(5, 9, b); s.wrote(5, 7, a) }, found: found{revision: 9, value: b}, ok: true},
		"newer, by nobody":               {write: func(s *ledgerSpace) { s.wrote(5, 7, a) }, found: found{revision: 8, value: b}},
		"newer, perhaps by a timeout":    {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.unknown(5) }, found: found{revision: 8, value: b}, ok: true},
		"older, though one timed out":    {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.unknown(5) }, found: found{revision: 6, value: b}},
		"gone, though one put timed out": {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.unknown(5) }},
		"gone, perhaps by a timeout":     {fate: fate{deletes: true}, write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.unknown(5) }, ok: true},
		"deleted":                        {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.deleted(5, 8) }, ok: true},
		"back after its deletion":        {write: func(s *ledgerSpace) { s.deleted(5, 8) }, found: found{revision: 9, value: a}},
		"refused, so never written":      {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.failed(5, status.Error(codes.ResourceExhausted, "")) }, found: found{revision: 8, value: b}},
		"failed, so perhaps written":     {write: func(s *ledgerSpace) { s.wrote(5, 7, a); s.failed(5, errors.New("lost")) }, found: found{revision: 8, value: b}, ok: true},
	} {
		s := newLedger(1).space("/p/", keys, c.fate)
		if c.write != nil {
			c.write(s)
		}
		expected, got, ok := s.judge(5, c.found)
		if ok != c.ok {
			t.Errorf("%s: %v; expected %q, found %q", name, ok, expected, got)
		}
		if !ok && (expected == "" || got == "") {
			t.Errorf("%s: no words for it", name)
		}
	}
}

// However many keys there are, the ledger's memory is bounded, and the sample is
// the seed's.
func TestLedgerSamples(t *testing.T) {
	const space = 1_000_000_000
	for _, seed := range []uint64{1, 2} {
		s := newLedger(seed).space("/p/", Keys{Size: 30, Space: space}, fate{})
		if len(s.last) > ledgerKeys || s.every != 1+(space-1)/ledgerKeys {
			t.Errorf("%d entries, one key in %d", len(s.last), s.every)
		}
		followed := 0
		for n := int64(0); n < 100*s.every; n++ {
			if _, ok := s.place(n); ok {
				followed++
			}
		}
		if followed != 100 {
			t.Errorf("%d of %d keys are followed, want one in %d", followed, 100*s.every, s.every)
		}
	}
}

func TestExpressions(t *testing.T) {
	params := map[string]float64{"nodes": 100, "podsPerNode": 30}
	for text, want := range map[string]string{
		"plain":                             "plain",
		"${nodes}":                          "100",
		"${nodes/300}":                      "0.3333333333333333",
		"${2*nodes*podsPerNode}":            "6000",
		"a${nodes}-${nodes*2}b":             "a100-200b",
		"${(nodes+1)*2 - -3}":               "205",
		"${min(nodes, 7)+max(1,2)}":         "9",
		"${ceil(0.1)+floor(1.9)+round(.5)}": "3",
		"${1e6*1e6}":                        "1000000000000",
	} {
		if got, err := interpolate(text, params); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${", "${}", "${node}", "${1/0}", "${nodes%2}", `${"a"}`, "${f(1)}", "${min(1)}", "${a.b}", "${1e308*10}", "${" + strings.Repeat("(", 300) + "}"} {
		if got, err := interpolate(text, params); err == nil {
			t.Errorf("%s = %q, want an error", text, got)
		}
	}
}

// A stamp is read as it was put, and other values, or those of another run, have
// none.
func TestStampsAreTheRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := stamp{
			phase: rapid.IntRange(0, 60000).Draw(t, "phase"), intended: time.Duration(rapid.Int64Min(0).Draw(t, "intended")),
			sent: time.Duration(rapid.Int64Min(0).Draw(t, "sent")),
		}
		value := rapid.SliceOfN(rapid.Byte(), stampSize, 100).Draw(t, "value")
		if _, ok := readStamp(value, 9); ok {
			t.Skip("a stamp by chance")
		}
		s.put(value, 9)
		if got, ok := readStamp(value, 9); !ok || got != s {
			t.Errorf("%+v came back as %+v, %v", s, got, ok)
		}
		if _, ok := readStamp(value, 8); ok {
			t.Error("the stamp was taken for another run's")
		}
		if _, ok := readStamp(value[:stampSize-1], 9); ok {
			t.Error("half a stamp was taken for one")
		}
	})
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
		choose := func() []int64 { return m.others([]int64{m.pick(1, n)}, 1, n, count) }
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

// The acknowledgement of a write is found by its revision until it is overwritten.
func TestAcks(t *testing.T) {
	a := newAcks(1)
	for revision := int64(1); revision <= 3*ackSlots; revision++ {
		a.add(revision, &bench.Op{Phase: 2, Intended: time.Duration(revision)}, time.Duration(revision+1), time.Duration(revision+2))
	}
	if k, ok := a.find(3 * ackSlots); !ok || k.acked != 3*ackSlots+2 || k.phase != 2 || k.intended != 3*ackSlots {
		t.Errorf("%+v %v", k, ok)
	}
	for _, revision := range []int64{0, ackSlots, 2 * ackSlots, 3*ackSlots + 1} {
		if k, ok := a.find(revision); ok {
			t.Errorf("revision %d is found: %+v", revision, k)
		}
	}
}

// Two holders at once are a violation, whoever gives back first.
func TestHoldersOverlap(t *testing.T) {
	h := newHolders("locks", 2)
	session := new(concurrency.Session) // lives for ever
	first, alone := h.acquire(0, 1, session, "/l/0")
	if !alone {
		t.Error("the first holder is not alone")
	}
	if _, alone := h.acquire(1, 2, session, "/l/1"); !alone {
		t.Error("another lock's holder is not alone")
	}
	h.release(0, first)
	second, alone := h.acquire(0, 2, session, "/l/0")
	if !alone {
		t.Error("the lock was given back, but the next holder is not alone")
	}
	if _, alone := h.acquire(0, 3, session, "/l/0"); alone {
		t.Error("two holders at once, and nothing was seen")
	}
	h.release(0, second) // no longer the present holder: the third stays
	if _, alone := h.acquire(0, 4, session, "/l/0"); alone {
		t.Error("the third holder was forgotten")
	}
	var proof results.Proof
	h.verify(&proof)
	proof.Judge()
	if proof.Verdict != results.Violated || proof.Found != 2 || proof.Violations[0].Key != "/l/0" || proof.Checks[0].Checked != 5 {
		t.Errorf("%+v", proof)
	}
}

// What keeping account costs a put: next to nothing, and no allocation.
func BenchmarkLedger(b *testing.B) {
	s := newLedger(1).space("/p/", Keys{Size: 48, Space: 100_000}, fate{})
	value := make([]byte, 256)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		s.wrote(n%100_000, n+1, value)
	}
}

// What an event costs besides being read from its stream.
func BenchmarkEvent(b *testing.B) {
	w := &watchWorkload{
		definition: watchDefinition{keys: Keys{Size: 48, Space: 100}, streams: 1, each: 1, width: 100},
		target:     Target{Prefix: "/p/", shared: &shared{acks: newAcks(7)}}, sink: bench.ClosedSink(),
		baseline: &versions{every: 1, of: make([]uint32, 100)},
	}
	maker := newKeyMaker(w.definition.keys, w.target)
	o := newEventObserver(w, 0, 0, maker)
	value := make([]byte, 256)
	stamp{}.put(value, 7)
	events := []*mvccpb.Event{{Kv: &mvccpb.KeyValue{Key: maker.appendKey(nil, 5), Value: value}}}
	b.ReportAllocs()
	for n := int64(1); b.Loop(); n++ {
		events[0].Kv.ModRevision, events[0].Kv.Version = n, n
		w.target.shared.acks.add(n, &bench.Op{}, 0, 1)
		o.events(events, 2)
	}
}

// A response that the server splits counts once it is whole: when the connection
// breaks in the middle, its events come again, and each is seen once.
func TestBrokenFragments(t *testing.T) {
	s := newWatchStream(nil, nil)
	var seen []int64
	s.add(&watcher{create: &pb.WatchCreateRequest{StartRevision: 5}, events: func(events []*mvccpb.Event, _ time.Duration) {
		for _, e := range events {
			seen = append(seen, e.Kv.ModRevision)
		}
	}})
	part := func(fragment bool, revisions ...int64) {
		r := &pb.WatchResponse{WatchId: 1, Fragment: fragment}
		for _, rev := range revisions {
			r.Events = append(r.Events, &mvccpb.Event{Kv: &mvccpb.KeyValue{ModRevision: rev}})
		}
		if err := s.handle(r, 0); err != nil {
			t.Fatal(err)
		}
	}
	created := &pb.WatchResponse{WatchId: 1, Created: true}
	for _, step := range []func(){
		func() { _ = s.handle(created, 0) },
		func() { part(true, 5, 6) }, // and the connection breaks
		func() { _ = s.handle(created, 0) },
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
