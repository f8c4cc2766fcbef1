package consistency

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// However many clients write, delete and read a few keys at once, and however small the
// lanes are, a store that answers correctly is not accused.
func TestManyClients(t *testing.T) {
	t.Parallel()
	// Where there is hardly any room, keys may be followed no longer; on a busy machine, now and then
	// also where there is enough.
	const tries = 5
	for laneSize, least := range map[int]uint64{4: 1, laneSize: 1000} {
		for try := 1; ; try++ {
			proof := manyClients(laneSize)
			if proof.Found > 0 || len(proof.Checks) != 2 {
				t.Errorf("lanes of %d: %+v", laneSize, proof)
			} else if proof.Checks[1].Checked < least && try < tries {
				continue
			} else if proof.Checks[1].Checked < least {
				t.Errorf("lanes of %d: too few are compared: %+v", laneSize, proof)
			}
			break
		}
	}
}

// manyClients returns the proof of clients that use a store at once.
func manyClients(laneSize int) (proof results.Proof) {
	c := newChecker(Options{Exclusive: true}, laneSize)
	c.Begin(1)
	stop := make(chan struct{})
	var checks, clients sync.WaitGroup
	checks.Go(func() { c.Run(stop) })
	s := &sharedStore{revision: 1}
	for client := range 8 {
		clients.Go(func() { s.use(c, client) })
	}
	clients.Wait()
	close(stop)
	checks.Wait()
	c.Verify(&proof)
	return proof
}

// sharedStore is a store that answers correctly.
type sharedStore struct {
	mu       sync.Mutex
	revision int64
	keys     [5]simulatedKey
}

func (s *sharedStore) use(c *Checker, client int) {
	rng := rand.New(rand.NewPCG(1, uint64(client)))
	for n := range 3000 {
		i, write, deletion := rng.IntN(len(s.keys)), rng.IntN(2) == 0, rng.IntN(5) == 0
		name, value := fmt.Appendf(nil, "/key/%d", i), fmt.Sprint(client, n)
		call, id, k := c.Send(), c.ID(client), c.Claim(name)
		if write {
			c.Sending(k, id, call, client, Write{Value: []byte(value), Deletion: deletion})
		}
		s.mu.Lock()
		found := s.keys[i]
		did := write && (!deletion || found.version > 0)
		if did {
			s.revision++
			if s.keys[i] = (simulatedKey{s.revision, found.version + 1, value, cmp.Or(found.created, s.revision)}); deletion {
				s.keys[i] = simulatedKey{}
			}
		}
		a := Answer{Operation: OperationRead, Conn: client, Revision: s.revision, Member: 1}
		s.mu.Unlock()
		switch {
		case did && n%50 == 0:
			c.Settled(k, id, call, a, Unknown)
			continue
		case did:
			c.Settled(k, id, call, a, Done)
		case write:
			c.Settled(k, id, call, a, Refused)
			fallthrough
		default:
			c.Read(k, call, a, Read{Revision: a.Revision, Modified: found.modified, Version: found.version, Value: []byte(found.value), Created: found.created})
		}
		c.Answered(call, a, did)
	}
}

// A violation says which key, what was expected and found, when, and who answered.
func TestViolationIsDescribed(t *testing.T) {
	c := newChecker(Options{Exclusive: true}, 1<<6)
	c.Begin(1)
	put := func(revision int64, value string) {
		call, id, k := c.Send(), c.ID(0), c.Claim([]byte("/key"))
		call.Sent = c.Now()
		c.Sending(k, id, call, 0, Write{Value: []byte(value)})
		c.Settled(k, id, call, Answer{Operation: OperationPut, Revision: revision, Member: 0xa1}, Done)
	}
	put(2, "one")
	put(5, "two")
	k := c.Find([]byte("/key"))
	call := c.Send()
	call.Sent = c.Now()
	c.Read(k, call, Answer{Operation: OperationRead, Conn: 3, Revision: 7, Member: 0xb2}, Read{Revision: 7, Modified: 2, Version: 1, Value: []byte("one")})
	var proof results.Proof
	c.Verify(&proof)
	if proof.Found != 1 {
		t.Fatalf("violations: %+v", proof)
	}
	v := proof.Violations[0]
	if v.Check != CheckContent || v.Key != "/key" || v.Expected != "the value written at revision 5 or later" || v.Found != "the value written at revision 2" {
		t.Errorf("violation %+v", v)
	}
	if o := v.Operation; o == nil || o.Member != "b2" || o.Conn != 3 || o.Revision != 7 || !o.Answered.After(o.Sent) {
		t.Errorf("operation %+v", v.Operation)
	}
	if o := v.Against; o == nil || o.Member != "a1" || o.Name != "put" || o.Revision != 5 || !o.Answered.After(o.Sent) {
		t.Errorf("against %+v", v.Against)
	}
	if len(v.History) != 3 {
		t.Errorf("history %+v", v.History)
	}
}

// Where other clients may write, a version that no client of the run has written is no
// violation, but an old one is.
func TestOtherClients(t *testing.T) {
	for name, test := range map[string]struct {
		alone    bool
		modified int64
		want     string
	}{
		"another client's":        {modified: 6},
		"another client's, alone": {alone: true, modified: 6, want: "no client has sent such a write"},
		"an old one":              {modified: 2, want: "revision 5"},
		"deleted":                 {},
		"deleted, alone":          {alone: true, want: "revision 5"},
	} {
		c := newChecker(Options{Exclusive: test.alone}, 1<<6)
		c.Begin(1)
		k := c.Claim([]byte("/key"))
		for _, revision := range []int64{2, 5} {
			call, id := c.Send(), c.ID(0)
			c.Sending(k, id, call, 0, Write{Value: []byte("value")})
			c.Settled(k, id, call, Answer{Operation: OperationPut, Revision: revision}, Done)
		}
		c.Read(k, c.Send(), Answer{Operation: OperationRead, Revision: 7}, Read{Revision: 7, Modified: test.modified})
		var proof results.Proof
		c.Verify(&proof)
		got := ""
		for _, v := range proof.Violations {
			got += v.Expected
		}
		if got == "" != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: expected %q, want %q", name, got, test.want)
		}
	}
}

// No key may be read after the revocation of its lease was acknowledged.
func TestRevokedLease(t *testing.T) {
	c := newChecker(Options{}, 1<<6)
	c.Revoked(77, 10)
	for at, want := range map[int64]uint64{9: 0, 10: 1, 11: 1} {
		c.proof = results.Proof{}
		c.Leased([]byte("/key"), 77, c.Send(), Answer{Operation: OperationRead, Revision: at}, at)
		c.Leased([]byte("/key"), 78, c.Send(), Answer{Operation: OperationRead, Revision: at}, at)
		if c.proof.Found != want {
			t.Errorf("read at revision %d: %d violations, want %d", at, c.proof.Found, want)
		}
	}
}

// An answer is not older than what was answered before its request was sent.
func TestRecency(t *testing.T) {
	for name, test := range map[string]struct {
		revision int64
		write    bool
		want     uint64
	}{
		"read of the same":  {revision: 5},
		"read of an older":  {revision: 4, want: 1},
		"write after it":    {revision: 6, write: true},
		"write at the same": {revision: 5, write: true, want: 1},
	} {
		c := newChecker(Options{}, 1<<6)
		early := c.Send()
		c.Answered(c.Send(), Answer{Operation: OperationPut, Revision: 5}, true)
		c.Answered(early, Answer{Operation: OperationRead, Revision: 1}, false)
		c.Answered(c.Send(), Answer{Operation: OperationRead, Revision: test.revision}, test.write)
		if c.proof.Found != test.want {
			t.Errorf("%s: %+v", name, c.proof)
		}
	}
}

// Events are read less often where there are few, and no lane fills up while the rate is the same or
// four times that of the interval before.
func TestNextCheck(t *testing.T) {
	for _, c := range []struct {
		wait  time.Duration
		found uint64
		want  time.Duration
	}{
		{checkEvery, 0, 2 * checkEvery}, {checkIdle, 0, checkIdle}, {checkIdle, laneSize / 16, checkIdle},
		{checkIdle, laneSize / 2, checkEvery}, {checkEvery, laneSize, checkEvery},
	} {
		next := nextCheck(c.wait, c.found)
		if next != c.want {
			t.Errorf("after %v with %d events: %v, want %v", c.wait, c.found, next, c.want)
		}
		if expected := 4 * c.found * uint64(next) / uint64(c.wait); c.found <= laneSize/4 && expected > laneSize {
			t.Errorf("after %v with %d events: %d are expected in %v", c.wait, c.found, expected, next)
		}
	}
}
