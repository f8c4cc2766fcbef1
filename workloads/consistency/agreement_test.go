package consistency

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/linearizability"
)

// The checker and porcupine agree on small histories of puts, deletions, reads and
// compare-and-swaps that overlap, with and without one wrong answer: of one key with writes
// of unknown outcome, and of two keys without. In every other one, the outcomes are resolved from
// the store's history.
func TestAgreementWithPorcupine(t *testing.T) {
	t.Parallel()
	const histories = 5000
	verdicts := map[bool]int{}
	for seed := range uint64(histories) {
		s := newSimulation(seed)
		s.run()
		agrees := true
		if s.resolved = seed%2 == 0; s.resolved {
			agrees = s.settleUnknown()
		}
		legal, err := linearizability.Check(s.history, 1)
		if err != nil {
			t.Fatal(err)
		}
		legal = legal && agrees
		if s.sharesRevision() {
			continue
		}
		verdicts[legal]++
		if found := s.verdict(); found == legal {
			t.Errorf("seed %d (lie %q): linearizable %v, violations %+v", seed, s.lie, legal, s.proof.Violations)
			for _, op := range s.history {
				t.Logf("[%d,%d] client %d: %s", op.Sent.Unix(), op.Answered.Unix(), op.Conn, text(op))
			}
			if t.Failed() {
				return
			}
		}
	}
	if verdicts[false] < histories/5 || verdicts[true] < histories/5 {
		t.Errorf("verdicts of %d histories: %v", histories, verdicts)
	}
}

// sharesRevision reports whether two keys have one revision, which is no violation for the
// checker: a transaction may write both.
func (s *simulation) sharesRevision() bool {
	keys := map[int64]string{}
	for _, op := range s.history {
		revision := op.Modified
		if revision == 0 && op.Name != "read" && !op.Unknown && !op.Failed {
			revision = op.Revision
		}
		if key, ok := keys[revision]; ok && key != op.Key && revision > 0 {
			return true
		}
		keys[revision] = op.Key
	}
	return false
}

func text(op linearizability.Operation) string {
	return fmt.Sprintf("%s %s compare %v failed %v compared %d: unknown %v @%d modified %d version %d value %s", op.Name, op.Key, op.Compare,
		op.Failed, op.Compared, op.Unknown, op.Revision, op.Modified, op.Version, op.Value)
}

// simulation is a store and some clients, whose operations overlap at random.
type simulation struct {
	*rand.Rand
	checker *Checker
	proof   results.Proof
	now     int64

	revision  int64
	cells     [2]simulatedKey
	keys      int // that are used
	snapshots []snapshot

	left    int // operations to begin
	clients []*simulatedOp
	late    []*simulatedOp // given up, and perhaps applied later
	values  int

	lies    bool
	lie     string
	history []linearizability.Operation
	// changes are those of the store, by key; unknown are the operations of unknown outcome, by
	// their place in the history, and resolved means that these are looked up.
	changes  [2][]Change
	unknown  map[int]*simulatedOp
	resolved bool
}

type simulatedKey struct {
	modified, version int64
	value             string
	created           int64
}

type snapshot struct {
	revision int64
	cells    [2]simulatedKey
}

type simulatedOp struct {
	name     string
	key      int
	value    string
	compared int64
	sent     int64
	call     Call
	id       uint64
	client   int

	applied  bool
	deleted  bool
	failed   bool
	revision int64
	found    simulatedKey
}

func newSimulation(seed uint64) *simulation {
	s := &simulation{Rand: rand.New(rand.NewPCG(seed, 7)), checker: newChecker(Options{Exclusive: true}, 1<<6), revision: 1, unknown: map[int]*simulatedOp{}}
	s.lies, s.left, s.clients = s.IntN(3) > 0, 3+s.IntN(9), make([]*simulatedOp, 1+s.IntN(3))
	s.keys = 1 + s.IntN(2)
	s.checker.Begin(1)
	s.snap()
	return s
}

func (s *simulation) snap() { s.snapshots = append(s.snapshots, snapshot{s.revision, s.cells}) }

func (s *simulation) run() {
	s.readAll() // so that it is known that they do not exist
	for s.left > 0 || slices.ContainsFunc(s.clients, func(o *simulatedOp) bool { return o != nil }) {
		if s.IntN(3) == 0 {
			s.checker.drain()
		}
		if len(s.late) > 0 && s.IntN(4) == 0 {
			i := s.IntN(len(s.late))
			s.apply(s.late[i])
			s.late = slices.Delete(s.late, i, i+1)
			continue
		}
		i := s.IntN(len(s.clients))
		switch o := s.clients[i]; {
		case o == nil && s.left > 0:
			s.left--
			s.clients[i] = s.begin(i)
		case o == nil:
		case s.keys == 1 && s.IntN(10) == 0 && o.name != "read":
			s.giveUp(o)
			s.clients[i] = nil
		case !o.applied && s.lies && s.lie == "" && s.IntN(5) == 0:
			s.falsify(o)
			s.answer(o)
			s.clients[i] = nil
		case !o.applied:
			s.apply(o)
		default:
			s.answer(o)
			s.clients[i] = nil
		}
	}
	s.readAll()
}

// readAll reads every key, one after the other.
func (s *simulation) readAll() {
	for key := range s.keys {
		o := &simulatedOp{name: "read", key: key}
		s.send(o)
		s.apply(o)
		s.answer(o)
	}
}

func (s *simulation) verdict() bool {
	if s.resolved {
		for _, u := range s.checker.Unresolved() {
			key := 0
			if u.Key == "/b" {
				key = 1
			}
			s.checker.Resolve(u, Past{Changes: s.changes[key], From: 2, Through: s.revision})
		}
	}
	s.checker.Verify(&s.proof)
	return s.proof.Found > 0
}

// settleUnknown replaces the operations of unknown outcome by what the store did, and reports
// whether it did all that was acknowledged.
func (s *simulation) settleUnknown() (agrees bool) {
	agrees = true
	for _, entry := range s.history {
		wrote := !entry.Unknown && !entry.Failed && entry.Name != "read"
		if wrote && len(s.unknown) > 0 && !s.changed(entry) {
			agrees = false
		}
	}
	for i, o := range s.unknown {
		// A deletion that was acknowledged at the revision of another one is the same to every client.
		twice := o.name == "delete" && slices.ContainsFunc(s.history, func(other linearizability.Operation) bool {
			return other.Name == "delete" && !other.Unknown && other.Revision == o.revision
		})
		if o.applied && !o.failed && !twice && (o.name != "delete" || o.deleted) {
			s.history[i].Unknown, s.history[i].Revision, s.history[i].Answered = false, o.revision, time.Unix(s.now+1, 0)
		} else {
			s.history[i] = linearizability.Operation{}
		}
	}
	s.history = slices.DeleteFunc(s.history, func(o linearizability.Operation) bool { return o.Name == "" })
	return agrees
}

// changed reports whether the store did a write at the revision at which it was acknowledged.
func (s *simulation) changed(entry linearizability.Operation) bool {
	for _, c := range s.changes[0] {
		if c.Revision == entry.Revision {
			return c.Deletion() == (entry.Name == "delete") && (c.Deletion() || c.hash == s.checker.hash([]byte(entry.Value)))
		}
	}
	return false
}

func (s *simulation) begin(client int) *simulatedOp {
	s.values++
	o := &simulatedOp{
		name: []string{"read", "read", "put", "put", "delete", "compare-and-swap"}[s.IntN(6)], key: s.IntN(s.keys), client: client,
		value: fmt.Sprint("v", s.values),
	}
	if o.name == "compare-and-swap" && s.IntN(4) > 0 {
		o.compared = s.cells[o.key].modified
	}
	s.send(o)
	return o
}

func (s *simulation) send(o *simulatedOp) {
	s.now++
	o.sent = s.now
	o.call, o.id = s.checker.Send(), s.checker.ID(o.client)
	o.call.Sent = s.checker.Now()
	k := s.checker.Claim([]byte(s.name(o)))
	switch o.name {
	case "put", "compare-and-swap":
		s.checker.Sending(k, o.id, o.call, o.client, Write{Value: []byte(o.value)})
	case "delete":
		s.checker.Sending(k, o.id, o.call, o.client, Write{Deletion: true})
	}
}

func (s *simulation) name(o *simulatedOp) string { return []string{"/a", "/b"}[o.key] }

// apply does an operation.
func (s *simulation) apply(o *simulatedOp) {
	c := &s.cells[o.key]
	o.applied = true
	switch {
	case o.name == "delete" && c.version > 0:
		s.revision++
		*c, o.deleted = simulatedKey{}, true
	case o.name == "compare-and-swap" && c.modified != o.compared:
		o.failed = true
	case o.name == "put", o.name == "compare-and-swap":
		s.revision++
		*c = simulatedKey{s.revision, c.version + 1, o.value, cmp.Or(c.created, s.revision)}
	}
	if before := s.snapshots[len(s.snapshots)-1].revision; s.revision > before {
		s.changes[o.key] = append(s.changes[o.key], s.checker.Change(s.revision, c.version, []byte(c.value)))
	}
	o.revision, o.found = s.revision, *c
	s.snap()
}

// falsify makes up an answer.
func (s *simulation) falsify(o *simulatedOp) {
	honest := s.IntN(3) > 0
	if o.name == "read" || honest {
		s.apply(o)
	}
	old := s.snapshots[s.IntN(len(s.snapshots))]
	before, at := o.found, o.revision
	switch {
	case o.name == "read":
		switch s.IntN(5) {
		case 0:
			o.found = old.cells[o.key]
		case 1:
			o.found, o.revision = old.cells[o.key], old.revision
		case 2:
			o.found.value += "x"
		case 3:
			o.found.version++
		case 4:
			o.found = simulatedKey{}
		}
		if o.found.modified == 0 {
			o.found = simulatedKey{}
		}
	case honest && o.name == "compare-and-swap":
		o.failed = !o.failed
	case honest:
		o.revision = old.revision
	case o.name == "delete":
		o.revision, o.deleted = s.revision+int64(s.IntN(2)), true
	default:
		o.revision = s.revision + int64(s.IntN(2))
		if s.IntN(2) == 0 {
			later := *o
			s.late = append(s.late, &later)
		}
	}
	s.lie = fmt.Sprintf("%s of %s: %+v @ %d", o.name, s.name(o), before, at)
}

func (s *simulation) giveUp(o *simulatedOp) {
	s.now++
	s.unknown[len(s.history)] = o
	s.record(o, linearizability.Operation{ProofOperation: results.ProofOperation{Unknown: true}})
	s.checker.Settled(s.checker.Find([]byte(s.name(o))), o.id, o.call, Answer{Conn: o.client}, Unknown)
	if !o.applied {
		s.late = append(s.late, o)
	}
}

// answer hands an answer to the checker and adds it to the history.
func (s *simulation) answer(o *simulatedOp) {
	s.now++
	c, k := s.checker, s.checker.Find([]byte(s.name(o)))
	a := Answer{Operation: OperationRead, Conn: o.client, Revision: o.revision, Member: 1}
	read := Read{Revision: o.revision, Modified: o.found.modified, Version: o.found.version, Created: o.found.created}
	if read.Modified > 0 {
		read.Value = []byte(o.found.value)
	}
	entry := linearizability.Operation{ProofOperation: results.ProofOperation{Revision: o.revision}}
	wrote := o.name == "put" || o.name == "delete" && o.deleted || o.name == "compare-and-swap" && !o.failed
	c.Answered(o.call, a, wrote)
	switch {
	case o.name == "compare-and-swap":
		entry.Compare, entry.Failed, entry.Compared = true, o.failed, o.compared
		if o.failed {
			if read.Modified == o.compared {
				c.Contradicts([]byte(s.name(o)), o.call, a, o.compared, 1)
			}
			c.Settled(k, o.id, o.call, a, Refused)
			c.Read(k, o.call, a, read)
			break
		}
		c.Read(k, o.call, a, Read{Revision: o.revision - 1, Modified: o.compared})
		c.Settled(k, o.id, o.call, a, Done)
	case wrote:
		c.Settled(k, o.id, o.call, a, Done)
	case o.name == "delete":
		c.Settled(k, o.id, o.call, a, Refused)
		c.Read(k, o.call, a, Read{Revision: o.revision})
	default:
		c.Read(k, o.call, a, read)
	}
	if !wrote {
		entry.Modified, entry.Version, entry.Value = o.found.modified, o.found.version, o.found.value
	}
	s.record(o, entry)
}

func (s *simulation) record(o *simulatedOp, entry linearizability.Operation) {
	entry.Name, entry.Key, entry.Conn = o.name, s.name(o), o.client
	entry.Sent, entry.Answered = time.Unix(o.sent, 0), time.Unix(s.now, 0)
	switch {
	case entry.Unknown:
		entry.Answered = time.Time{}
		entry.Compare, entry.Compared = o.name == "compare-and-swap", o.compared
		entry.Value = o.value
	case o.name == "put" || o.name == "compare-and-swap" && !o.failed:
		entry.Value = o.value
	case o.name == "delete" && !o.deleted:
		entry.Name, entry.Modified, entry.Version, entry.Value = "read", 0, 0, ""
	}
	s.history = append(s.history, entry)
}
