package ledger

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"
)

// What a key holds at the end goes with its last acknowledged write, or there is
// a reason.
func TestLedgerJudges(t *testing.T) {
	keys := Keys{Prefix: "/p/", Size: 20, Count: 100}
	a, b := []byte("a"), []byte("b")
	for name, c := range map[string]struct {
		removal Removal
		write   func(s *Space)
		found   found
		ok      bool
	}{
		"never written":                  {found: found{revision: 3, value: b}, ok: true},
		"as written":                     {write: func(s *Space) { s.Wrote(5, 7, a) }, found: found{revision: 7, value: a}, ok: true},
		"gone":                           {write: func(s *Space) { s.Wrote(5, 7, a) }},
		"gone with its lease":            {removal: Removal{Expiry: true}, write: func(s *Space) { s.Wrote(5, 7, a) }, ok: true},
		"another value":                  {write: func(s *Space) { s.Wrote(5, 7, a) }, found: found{revision: 7, value: b}},
		"older":                          {write: func(s *Space) { s.Wrote(5, 7, a); s.Wrote(5, 9, b) }, found: found{revision: 7, value: a}},
		"acknowledged out of order":      {write: func(s *Space) { s.Wrote(5, 9, b); s.Wrote(5, 7, a) }, found: found{revision: 9, value: b}, ok: true},
		"newer, by nobody":               {write: func(s *Space) { s.Wrote(5, 7, a) }, found: found{revision: 8, value: b}},
		"newer, perhaps by a timeout":    {write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }, found: found{revision: 8, value: b}, ok: true},
		"older, though one timed out":    {write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }, found: found{revision: 6, value: b}},
		"gone, though one put timed out": {write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }},
		"gone, perhaps by a timeout":     {removal: Removal{Deletion: true}, write: func(s *Space) { s.Wrote(5, 7, a); s.Unknown(5) }, ok: true},
		"deleted":                        {write: func(s *Space) { s.Wrote(5, 7, a); s.Deleted(5, 8) }, ok: true},
		"back after its deletion":        {write: func(s *Space) { s.Deleted(5, 8) }, found: found{revision: 9, value: a}},
		"refused, so never written":      {write: func(s *Space) { s.Wrote(5, 7, a); s.Failed(5, status.Error(codes.ResourceExhausted, "")) }, found: found{revision: 8, value: b}},
		"failed, so perhaps written":     {write: func(s *Space) { s.Wrote(5, 7, a); s.Failed(5, errors.New("lost")) }, found: found{revision: 8, value: b}, ok: true},
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

// However many keys there are, the ledger's memory is bounded, and the sample is
// the seed's.
func TestLedgerSamples(t *testing.T) {
	const space = 1_000_000_000
	for _, seed := range []uint64{1, 2} {
		s := New(seed).Space(Keys{Prefix: "/p/", Size: 30, Count: space}, Removal{})
		if len(s.last) > maxFollowed || s.every != 1+(space-1)/maxFollowed {
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
	s := New(1).Space(Keys{Prefix: "/p/", Size: 48, Count: 100_000}, Removal{})
	value := make([]byte, 256)
	b.ReportAllocs()
	for n := int64(0); b.Loop(); n++ {
		s.Wrote(n%100_000, n+1, value)
	}
}
