package ledger

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// What a key holds at the end goes with its last acknowledged write, or there is
// a reason.
func TestLedgerJudges(t *testing.T) {
	keys := Keys{Prefix: "/p/", Size: 20, Count: 100}
	a, b := []byte("a"), []byte("b")
	for name, c := range map[string]struct {
		removal Removal
		write   func(s *Space)
		found   Found
		ok      bool
	}{
		"never written":                  {found: Found{Modified: 3, Value: b}, ok: true},
		"as written":                     {write: func(s *Space) { s.Wrote(5, 7, a) }, found: Found{Modified: 7, Value: a}, ok: true},
		"gone":                           {write: func(s *Space) { s.Wrote(5, 7, a) }},
		"gone with its lease":            {removal: Removal{Expiry: true}, write: func(s *Space) { s.Wrote(5, 7, a) }, ok: true},
		"another value":                  {write: func(s *Space) { s.Wrote(5, 7, a) }, found: Found{Modified: 7, Value: b}},
		"older":                          {write: func(s *Space) { s.Wrote(5, 7, a); s.Wrote(5, 9, b) }, found: Found{Modified: 7, Value: a}},
		"acknowledged out of order":      {write: func(s *Space) { s.Wrote(5, 9, b); s.Wrote(5, 7, a) }, found: Found{Modified: 9, Value: b}, ok: true},
		"newer, by nobody":               {write: func(s *Space) { s.Wrote(5, 7, a) }, found: Found{Modified: 8, Value: b}},
		"newer, perhaps by a timeout":    {write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }, found: Found{Modified: 8, Value: b}, ok: true},
		"older, though one timed out":    {write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }, found: Found{Modified: 6, Value: b}},
		"gone, though one put timed out": {write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }},
		"gone, perhaps by a timeout":     {removal: Removal{Deletion: true}, write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }, ok: true},
		"deleted":                        {write: func(s *Space) { s.Wrote(5, 7, a); s.Deleted(5, 8) }, ok: true},
		"back after its deletion":        {write: func(s *Space) { s.Deleted(5, 8) }, found: Found{Modified: 9, Created: 9, Value: a}},
		"refused, so never written": {write: func(s *Space) {
			s.Wrote(5, 7, a)
			s.Failed(5, status.Error(codes.ResourceExhausted, "etcdserver: too many requests"))
		}, found: Found{Modified: 8, Value: b}},
		"the quota is exceeded, so perhaps written": {write: func(s *Space) {
			s.Wrote(5, 7, a)
			s.Failed(5, status.Error(codes.ResourceExhausted, "etcdserver: mvcc: database space exceeded"))
		}, found: Found{Modified: 8, Value: b}, ok: true},
		"older than its deletion":    {write: func(s *Space) { s.Wrote(5, 7, a); s.Deleted(5, 8); s.Wrote(5, 9, b) }, found: Found{Modified: 9, Created: 7, Value: b}},
		"failed, so perhaps written": {write: func(s *Space) { s.Wrote(5, 7, a); s.Failed(5, errors.New("lost")) }, found: Found{Modified: 8, Value: b}, ok: true},
	} {
		s := New(1).Space(keys, c.removal)
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

// history is what happened to one key: writes in the store's order, and what the
// client of each was told.
type history []struct{ deletion, applied, told bool }

// play carries the writes out on a store, in order, notes them in the given order, and
// returns how the key is read back.
func (h history) play(e *Space, order []int) Found {
	var f Found
	revisions := make([]int64, len(h))
	for i, w := range h {
		revisions[i] = int64(10 * (i + 1))
		switch {
		case !w.applied:
		case w.deletion:
			f = Found{}
		default:
			if f.Version == 0 {
				f.Created = revisions[i]
			}
			f.Modified, f.Version, f.Value = revisions[i], f.Version+1, []byte{byte(i)}
		}
	}
	for _, i := range order {
		switch {
		case !h[i].told:
			e.Unknown(0)
		case h[i].deletion:
			e.Deleted(0, revisions[i])
		default:
			e.Wrote(0, revisions[i], []byte{byte(i)})
		}
	}
	return f
}

// Every history of up to four writes, noted in every order, is believed; with an
// acknowledged put that was not applied after the last deletion, and nothing of
// unknown outcome, none is where it was the last or all were noted in order.
func TestEveryHistoryIsJudgedCorrectly(t *testing.T) {
	var fates history
	for n := range 8 {
		w := history{{n&1 > 0, n&2 > 0, n&4 > 0}}[0]
		if w.told && !w.applied {
			continue
		}
		fates = append(fates, w)
	}
	judge := func(h history, order []int, lost bool) {
		s := newSpace(Keys{Prefix: "/p/", Size: 10, Count: 1}, Removal{Deletion: slices.ContainsFunc(h, func(w struct{ deletion, applied, told bool }) bool { return w.deletion })}, 0)
		f := h.play(s, order)
		expected, got, ok := s.judge(0, f)
		if ok && f.Modified > 0 {
			expected, got, ok = s.judgePuts(0, f.Version)
		}
		if ok == lost {
			t.Errorf("%+v noted in order %v: %v; expected %q, found %q", h, order, ok, expected, got)
		}
	}
	var each func(h history)
	each = func(h history) {
		permute(len(h), func(order []int) {
			judge(h, order, false)
			for i := range h {
				last := i == len(h)-1 || slices.IsSorted(order) // else, a deletion noted late leaves the count too low
				if sure := lostFrom(h); last && i >= sure && h[i].applied && !h[i].deletion {
					with := slices.Clone(h)
					with[i].applied = false
					judge(with, order, true)
				}
			}
		})
		if len(h) < 4 {
			for _, w := range fates {
				each(append(slices.Clone(h), w))
			}
		}
	}
	each(nil)
}

// lostFrom is the first write whose loss must be found: after the last deletion, and
// where every outcome is known.
func lostFrom(h history) int {
	from := 0
	for i, w := range h {
		if !w.told {
			return len(h)
		}
		if w.deletion {
			from = i + 1
		}
	}
	return from
}

// permute calls fn with every order of n things.
func permute(n int, fn func(order []int)) {
	order := make([]int, 0, n)
	var next func()
	next = func() {
		if len(order) == n {
			fn(order)
		}
		for i := range n {
			if !slices.Contains(order, i) {
				order = append(order, i)
				next()
				order = order[:len(order)-1]
			}
		}
	}
	next()
}

// However many clients write and delete one key at once, the counts are not confused.
func TestTallyOfManyClients(t *testing.T) {
	for range 50 {
		s := New(1).Space(Keys{Prefix: "/p/", Size: 10, Count: 1}, Removal{Deletion: true})
		var (
			mu       sync.Mutex
			revision int64
			f        Found
			clients  sync.WaitGroup
		)
		for c := range 8 {
			clients.Go(func() {
				for n := range 40 {
					value := []byte{byte(c), byte(n)}
					mu.Lock()
					deletion := (n+c)%9 == 0 && f.Version > 0
					revision++
					mine := revision
					switch {
					case deletion:
						f = Found{}
					case f.Version == 0:
						f = Found{Created: mine, Modified: mine, Version: 1, Value: value}
					default:
						f.Modified, f.Version, f.Value = mine, f.Version+1, value
					}
					mu.Unlock()
					runtime.Gosched()
					if deletion {
						s.Deleted(0, mine)
					} else {
						s.Wrote(0, mine, value)
					}
				}
			})
		}
		clients.Wait()
		expected, got, ok := s.judge(0, f)
		if ok && f.Modified > 0 {
			expected, got, ok = s.judgePuts(0, f.Version)
		}
		if !ok {
			t.Fatalf("expected %q, found %q", expected, got)
		}
	}
}

// The count of a key's puts starts again at 65,536, and still shows the loss of one.
func TestTallyWraps(t *testing.T) {
	for _, puts := range []int64{1, 65_535, 65_536, 65_537, 200_000} {
		s := New(1).Space(Keys{Prefix: "/p/", Size: 10, Count: 1}, Removal{})
		for n := range puts {
			s.Wrote(0, n+1, nil)
		}
		for grown, want := range map[int64]bool{puts - 1: false, puts: true, puts + 1: false} {
			if expected, got, ok := s.judgePuts(0, grown); ok != want {
				t.Errorf("%d puts and a version of %d: %v; expected %q, found %q", puts, grown, ok, expected, got)
			}
		}
		s.Unknown(0)
		for grown, want := range map[int64]bool{puts - 1: false, puts: true, puts + 1: true, puts + 2: false} {
			if _, _, ok := s.judgePuts(0, grown); ok != want {
				t.Errorf("%d puts, one more of unknown outcome, and a version of %d: %v", puts, grown, ok)
			}
		}
		for range 200 {
			s.Unknown(0)
		}
		if _, _, ok := s.judgePuts(0, puts+150); !ok {
			t.Errorf("%d puts and 201 of unknown outcome: a growth by 150 more is not believed", puts)
		}
	}
}

// The store's revision grows by the acknowledged writes, and by no more than those of
// unknown outcome where nobody else writes.
func TestGrowth(t *testing.T) {
	for name, c := range map[string]struct {
		acknowledged, failed int
		beside               string
		present              int64
		want                 string
	}{
		"as many":                  {acknowledged: 5, present: 15, want: results.Proved},
		"one lost":                 {acknowledged: 5, present: 14, want: results.Violated},
		"one too many":             {acknowledged: 5, present: 16, want: results.Violated},
		"by others":                {acknowledged: 5, present: 30, beside: "others may write", want: results.Proved},
		"lost beside others":       {acknowledged: 5, present: 14, beside: "others may write", want: results.Violated},
		"perhaps by a timeout":     {acknowledged: 5, failed: 1, present: 16, want: results.Proved},
		"the timeout came to none": {acknowledged: 5, failed: 1, present: 15, want: results.Proved},
		"more than timed out":      {acknowledged: 5, failed: 1, present: 17, want: results.Violated},
		"not known":                {acknowledged: 5, want: results.Incomplete},
	} {
		l, a := New(1), &Account{}
		s := l.Space(Keys{Prefix: "/p/", Size: 10, Count: 1}, Removal{})
		l.Register(a)
		l.Begin(10)
		l.Begin(12) // too late
		if c.beside != "" {
			l.Beside(c.beside)
		}
		for n := range int64(c.acknowledged) {
			a.Send()
			a.Acknowledge(11+n, s, 0)
		}
		for range c.failed {
			a.Failed(errors.New("lost"))
		}
		a.Failed(status.Error(codes.NotFound, "refused"))
		if proof := l.verified(t, c.present); proof.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, proof.Verdict, c.want, proof)
		}
	}
}

// On a cluster that others use, what they write over the run's keys is counted and is
// no violation. What is missing of the run's own writes is one.
func TestWritesOfOthers(t *testing.T) {
	key := Keys{Prefix: "/p/", Size: 10, Count: 1}
	for name, c := range map[string]struct {
		found          Found
		shared, lonely string
	}{
		"untouched":           {Found{Modified: 12, Created: 11, Version: 2, Value: []byte("b")}, results.Proved, results.Proved},
		"overwritten":         {Found{Modified: 13, Created: 11, Version: 3, Value: []byte("x")}, results.Proved, results.Violated},
		"written in between":  {Found{Modified: 12, Created: 11, Version: 3, Value: []byte("b")}, results.Proved, results.Violated},
		"removed and written": {Found{Modified: 14, Created: 14, Version: 1, Value: []byte("x")}, results.Proved, results.Violated},
		"one lost":            {Found{Modified: 12, Created: 12, Version: 1, Value: []byte("b")}, results.Violated, results.Violated},
		"the last one lost":   {Found{Modified: 11, Created: 11, Version: 1, Value: []byte("a")}, results.Violated, results.Violated},
		"lost and written":    {Found{Modified: 13, Created: 12, Version: 1, Value: []byte("x")}, results.Violated, results.Violated},
		"all lost":            {Found{}, results.Violated, results.Violated},
	} {
		for _, shared := range []bool{true, false} {
			l := New(1)
			l.Begin(10)
			want := c.lonely
			if shared {
				l.Shared()
				want = c.shared
			}
			s := l.Space(key, Removal{})
			s.Wrote(0, 11, []byte("a"))
			s.Wrote(0, 12, []byte("b"))
			var proof results.Proof
			c.found.Key = []byte(s.key(0))
			l.Verify(t.Context(), 20, func(_ context.Context, _ string, _ int64, visit func(Found)) (At, error) {
				if c.found.Modified > 0 {
					visit(c.found)
				}
				return At{Revision: 20}, nil
			}, &proof)
			if proof.Judge(); proof.Verdict != want {
				t.Errorf("%s, shared %v: %s, want %s: %+v", name, shared, proof.Verdict, want, proof)
			}
		}
	}
}

// verified is what the ledger proves of a store without keys.
func (l *Ledger) verified(t *testing.T, present int64) results.Proof {
	var proof results.Proof
	l.Verify(t.Context(), present, func(context.Context, string, int64, func(Found)) (At, error) {
		return At{Revision: max(present, 1)}, nil
	}, &proof)
	proof.Judge()
	return proof
}

// An acknowledgement is at a revision of its own, above those that came before the
// request was sent; requests that overlap may be acknowledged in any order.
func TestRevisionsOfAcknowledgements(t *testing.T) {
	for name, c := range map[string]struct {
		play func(one, other func(revision int64) (acknowledge func()))
		want string
	}{
		"in order":                  {want: results.Proved, play: func(a, b func(int64) func()) { a(11)(); b(12)() }},
		"overlapping":               {want: results.Proved, play: func(a, b func(int64) func()) { x, y := a(11), b(12); y(); x() }},
		"out of order":              {want: results.Violated, play: func(a, b func(int64) func()) { a(12)(); b(11)() }},
		"of its own client":         {want: results.Violated, play: func(a, b func(int64) func()) { a(12)(); a(11)() }},
		"twice":                     {want: results.Violated, play: func(a, b func(int64) func()) { x, y := a(11), b(11); y(); x() }},
		"of before the run":         {want: results.Violated, play: func(a, b func(int64) func()) { a(10)() }},
		"none":                      {want: results.Violated, play: func(a, b func(int64) func()) { a(0)() }},
		"above the store's present": {want: results.Violated, play: func(a, b func(int64) func()) { a(31)() }},
	} {
		l := New(1)
		l.Beside("others may write")
		l.Begin(10)
		s := l.Space(Keys{Prefix: "/p/", Size: 10, Count: 1}, Removal{})
		client := func() func(revision int64) func() {
			a := &Account{}
			l.Register(a)
			return func(revision int64) func() {
				a.Send()
				return func() { a.Acknowledge(revision, s, 0) }
			}
		}
		c.play(client(), client())
		proof := l.verified(t, 30)
		if proof.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, proof.Verdict, c.want, proof)
		}
		if proof.Found == 0 || proof.Violations[0].Check != "revisions" {
			continue
		}
		v := proof.Violations[0]
		if v.Key != s.key(0) || v.Operation == nil || v.Operation.Key != v.Key || (v.Against == nil) != (name == "of before the run" || name == "none") {
			t.Errorf("%s: violation %+v, operation %+v, against %+v", name, v, v.Operation, v.Against)
		}
	}
}

// However many keys there are, the ledger's memory is bounded, and the sample is
// the seed's.
func TestLedgerSamples(t *testing.T) {
	const space = 1_000_000_000
	for _, seed := range []uint64{1, 2} {
		s := New(seed).Space(Keys{Prefix: "/p/", Size: 30, Count: space}, Removal{})
		if len(s.entries) > maxFollowed || s.every != 1+(space-1)/maxFollowed {
			t.Errorf("%d entries, one key in %d", len(s.entries), s.every)
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

// A stamp is read as it was put, and other values, or those of another run, have
// none.
func TestStampsAreTheRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Stamp{
			Phase: rapid.IntRange(0, 60000).Draw(t, "phase"), Intended: time.Duration(rapid.Int64Min(0).Draw(t, "intended")),
			Sent: time.Duration(rapid.Int64Min(0).Draw(t, "sent")),
		}
		value := rapid.SliceOfN(rapid.Byte(), StampSize, 100).Draw(t, "value")
		if _, ok := ReadStamp(value, 9); ok {
			t.Skip("a stamp by chance")
		}
		s.Put(value, 9)
		if got, ok := ReadStamp(value, 9); !ok || got != s {
			t.Errorf("%+v came back as %+v, %v", s, got, ok)
		}
		if _, ok := ReadStamp(value, 8); ok {
			t.Error("the stamp was taken for another run's")
		}
		if _, ok := ReadStamp(value[:StampSize-1], 9); ok {
			t.Error("half a stamp was taken for one")
		}
	})
}

// The acknowledgement of a write is found by its revision until it is overwritten.
func TestAcks(t *testing.T) {
	a := NewAcks(1)
	for revision := int64(1); revision <= 3*ackSlots; revision++ {
		a.Add(revision, Ack{Stamp{2, time.Duration(revision), time.Duration(revision + 1)}, time.Duration(revision + 2)})
	}
	if k, ok := a.Find(3 * ackSlots); !ok || k.Acked != 3*ackSlots+2 || k.Phase != 2 || k.Intended != 3*ackSlots {
		t.Errorf("%+v %v", k, ok)
	}
	for _, revision := range []int64{0, ackSlots, 2 * ackSlots, 3*ackSlots + 1} {
		if k, ok := a.Find(revision); ok {
			t.Errorf("revision %d is found: %+v", revision, k)
		}
	}
}

// What keeping account costs a put: next to nothing, and no allocation.
func BenchmarkLedger(b *testing.B) {
	l, account := New(1), &Account{}
	s := l.Space(Keys{Prefix: "/p/", Size: 48, Count: 100_000}, Removal{})
	l.Register(account)
	value := make([]byte, 256)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		account.Send()
		account.Acknowledge(n+1, s, n%100_000)
		s.Wrote(n%100_000, n+1, value)
	}
}
