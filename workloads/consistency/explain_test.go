package consistency

import (
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/linearizability"
)

// script is a checker and the operations that clients do one after the other.
type script struct{ *Checker }

func newScript() script {
	c := newChecker(Options{Exclusive: true, Keys: func(request any) string { return request.(string) }}, 1<<6)
	c.Begin(1)
	return script{c}
}

// call is a request that is sent now.
func (s script) call() Call {
	call := s.Send()
	call.Sent = s.Now()
	return call
}

func (s script) put(key string, revision int64) {
	call, id, k := s.call(), s.ID(0), s.Claim([]byte(key))
	a := Answer{Operation: OperationPut, Revision: revision, Member: 0xa1, Request: key}
	s.Sending(k, id, call, 0, Write{Value: []byte("value")})
	s.Answered(call, a, true)
	s.Settled(k, id, call, a, Done)
}

// get reads a key that is followed, from a member that may lag.
func (s script) get(key string, conn int, member uint64, revision, modified int64) {
	call := s.call()
	s.Read(s.Find([]byte(key)), call, Answer{Operation: OperationRead, Conn: conn, Revision: revision, Member: member},
		Read{Revision: revision, Modified: modified, Value: []byte("value")})
}

// violation is the only one that the script has.
func (s script) violation(t *testing.T) results.Violation {
	t.Helper()
	var proof results.Proof
	s.Verify(&proof)
	if proof.Found != 1 {
		t.Fatalf("violations: %+v", proof)
	}
	return proof.Violations[0]
}

// Every violation of an answer names its key, the member, and the operation that it contradicts,
// both with their interval, and has a history.
func TestViolationsHaveBothOperations(t *testing.T) {
	for name, test := range map[string]struct {
		play func(s script)
		// key is that of the violation, against the operation that it contradicts.
		key, against string
		possible     bool // by the model that draws the history
	}{
		"a read below a write": {key: "/other", against: "put of /key at 5", play: func(s script) {
			s.put("/key", 5)
			s.Answered(s.call(), Answer{Operation: OperationRead, Conn: 3, Revision: 4, Member: 0xb2, Request: "/other"}, false)
		}},
		"a read below an answer about a key that is not followed": {key: "/other", against: "put of /key at 5", play: func(s script) {
			s.put("/key", 3)
			s.put("/key", 5)
			s.Answered(s.call(), Answer{Operation: OperationRead, Revision: 9, Request: "/unknown"}, false)
			s.Answered(s.call(), Answer{Operation: OperationRead, Conn: 3, Revision: 4, Member: 0xb2, Request: "/other"}, false)
		}},
		"a read below a read": {key: "/other", against: "read of /key at 9", play: func(s script) {
			s.put("/key", 3)
			s.get("/key", 0, 0xa1, 9, 3)
			s.Answered(s.call(), Answer{Operation: OperationRead, Revision: 9, Request: "/key"}, false)
			s.Answered(s.call(), Answer{Operation: OperationRead, Conn: 3, Revision: 4, Member: 0xb2, Request: "/other"}, false)
		}},
		"a write at the revision of another": {key: "/other", against: "put of /key at 5", play: func(s script) {
			s.put("/key", 5)
			s.Answered(s.call(), Answer{Operation: OperationPut, Conn: 3, Revision: 5, Member: 0xb2, Request: "/other"}, true)
		}},
		"a serializable read that goes back": {key: "/key", against: "read of /key at 9", play: func(s script) {
			s.put("/another", 2)
			s.put("/key", 3)
			s.get("/another", 2, 0xb2, 9, 2) // on another connection
			s.get("/key", 3, 0xb2, 9, 3)
			s.AnsweredBehind(s.call(), Answer{Operation: OperationRead, Conn: 3, Revision: 4, Member: 0xb2, Request: "/key"}, 9)
		}},
		"a conflict with the compared revision": {key: "/key", against: "put of /key at 5", possible: true, play: func(s script) {
			s.put("/key", 5)
			s.Contradicts([]byte("/key"), s.call(), Answer{Operation: OperationCompare, Conn: 3, Revision: 8, Member: 0xb2}, 5, 1)
		}},
	} {
		s := newScript()
		test.play(s)
		v := s.violation(t)
		if v.Key != test.key || v.Operation == nil || v.Against == nil {
			t.Errorf("%s: %+v", name, v)
			continue
		}
		if o := v.Operation; o.Key != test.key || o.Member != "b2" || o.Conn != 3 || o.Revision == 0 || !o.Answered.After(o.Sent) {
			t.Errorf("%s: operation %+v", name, o)
		}
		o := v.Against
		if got := o.Name + " of " + o.Key + " at " + revisionText(o.Revision); got != test.against || o.Member == "" || !o.Answered.After(o.Sent) {
			t.Errorf("%s: contradicts %s: %+v", name, got, o)
		}
		checkDrawn(t, name, v, test.possible)
	}
}

// checkDrawn checks that the history has both operations, and is as possible as it should be.
func checkDrawn(t *testing.T, name string, v results.Violation, possible bool) {
	t.Helper()
	var list []linearizability.Operation
	found := 0
	for _, op := range v.History {
		if op == *v.Operation || op == *v.Against {
			found++
		}
		list = append(list, linearizability.Operation{ProofOperation: op})
	}
	if got, err := linearizability.Check(list, 0); err != nil || got != possible || found != 2 {
		t.Errorf("%s: possible %v, %v, with %d of the 2 operations: %+v", name, got, err, found, v.History)
	}
}

// A key that outlived its lease has the operations on the key as its history. When the lease
// was revoked is not known.
func TestRevokedLeaseHasHistory(t *testing.T) {
	s := newScript()
	s.put("/key", 5)
	s.Revoked(77, 10)
	s.Leased([]byte("/key"), 77, s.call(), Answer{Operation: OperationRead, Conn: 3, Revision: 12, Member: 0xb2}, 12)
	v := s.violation(t)
	if o := v.Operation; o == nil || o.Key != "/key" || o.Revision != 12 || o.Member != "b2" || v.Against != nil || len(v.History) != 2 {
		t.Errorf("violation %+v", v)
	}
}

// Where nothing is known of an earlier answer, none is named.
func TestNothingIsInvented(t *testing.T) {
	s := newScript()
	s.put("/key", 3) // which is no reason
	s.Answered(s.call(), Answer{Operation: OperationRead, Revision: 9, Request: "/unknown"}, false)
	late := s.call()
	s.get("/key", 0, 0xa1, 7, 3) // which comes after the request
	s.Answered(late, Answer{Operation: OperationRead, Conn: 3, Revision: 4, Member: 0xb2, Request: "/other"}, false)
	if v := s.violation(t); v.Against != nil || v.Key != "/other" || len(v.History) != 1 {
		t.Errorf("violation %+v", v)
	}
}

// A violation that the ledger found has the intervals and the member of the writes that the
// checker has followed, and a history.
func TestExplain(t *testing.T) {
	s := newScript()
	s.put("/key", 5)
	s.drain()
	now := time.Now().Round(0)
	read := results.ProofOperation{Name: "read", Key: "/key", Sent: now.Add(time.Second), Answered: now.Add(2 * time.Second), Revision: 8}
	for name, test := range map[string]struct {
		key     string
		at      int64
		history int
	}{
		"followed":         {"/key", 5, 2},
		"another revision": {"/key", 6, 0},
		"not followed":     {"/other", 5, 0},
	} {
		operation := read
		v := results.Violation{Key: test.key, Operation: &operation, Against: &results.ProofOperation{Name: "write", Key: test.key, Revision: test.at}}
		s.Explain(&v)
		o := v.Against
		if known := test.history > 0; o.Revision != test.at || known != o.Answered.After(o.Sent) || known != (o.Member == "a1") || len(v.History) != test.history {
			t.Errorf("%s: against %+v, history %+v", name, o, v.History)
		}
		if test.history > 0 {
			checkDrawn(t, name, v, false)
		}
	}
}
