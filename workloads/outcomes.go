package workloads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// The limits of the reading of the server's history.
const (
	// pastTime bounds the time.
	pastTime = 20 * time.Second
	// pastRevisions is the largest number of revisions that a member reads. It holds them in
	// memory.
	pastRevisions = 2_000_000
	// pastChanges is the largest number of changes in memory, of 24 bytes each.
	pastChanges = 1 << 20
	// pastBatch is the largest number of changes of one key that a member sends at once.
	pastBatch = 1000
	// keysRead is the number of keys that one transaction reads.
	keysRead = 100
	// progressEvery is the time between two progress requests.
	progressEvery = 100 * time.Millisecond
)

// A past is the reading of the server's history of some keys.
type past struct {
	target  Target
	checker *consistency.Checker
	present int64
	keys    []*pastKey
	// waiting counts the keys whose history is not complete.
	waiting, changes int
}

// A pastKey is one key whose history is read.
type pastKey struct {
	key consistency.Unresolved
	consistency.Past
	// modified is the key's revision at the end of its history; 0 is no key.
	modified int64
	complete bool
}

// resolveOutcomes determines from the server's history which writes with an unknown outcome
// took effect. Writes whose history cannot be read stay unknown, and the proof contains the
// reason.
func resolveOutcomes(ctx context.Context, t Target) {
	p := &past{target: t, checker: t.shared.checker}
	for _, u := range p.checker.Unresolved() {
		p.keys = append(p.keys, &pastKey{key: u})
	}
	if len(p.keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	sent := p.checker.Now()
	if err := p.read(ctx); err != nil {
		p.checker.Unknown(err.Error())
	}
	for _, k := range p.keys {
		if k.complete {
			k.Sent, k.Answered = sent, p.checker.Now()
			p.checker.Resolve(k.key, k.Past)
		}
	}
}

// read reads the history of all keys up to the present revision.
func (p *past) read(ctx context.Context) (err error) {
	if p.present, err = presentRevision(ctx, p.target); err != nil {
		return err
	}
	begin := p.checker.Began()
	if begin == 0 {
		return errors.New("the store's revision before the run is unknown")
	}
	for _, k := range p.keys {
		k.From, k.Through = k.key.From, p.present
		if p.present-begin <= pastRevisions {
			k.From = begin + 1
		}
		if p.present-k.From > pastRevisions {
			return fmt.Errorf("the store has changed more than %s times since", humanize.Comma(pastRevisions))
		}
	}
	for some := range slices.Chunk(p.keys, keysRead) {
		if err := p.readPresent(ctx, some); err != nil {
			return fmt.Errorf("read the keys: %w", err)
		}
	}
	return p.watch(ctx)
}

// readPresent reads the keys at the end of their history.
func (p *past) readPresent(ctx context.Context, keys []*pastKey) error {
	txn := &pb.TxnRequest{}
	for _, k := range keys {
		get := &pb.RangeRequest{Key: []byte(k.key.Key), Revision: p.present, KeysOnly: true}
		txn.Success = append(txn.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: get}})
	}
	answer, err := pb.NewKVClient(p.target.conn(0)).Txn(ctx, txn)
	if err != nil {
		return err
	}
	if p.target.answered != nil {
		p.target.answered()
	}
	if len(answer.Responses) != len(keys) {
		return errors.New("an answer to another request")
	}
	for i, k := range keys {
		if kvs := answer.Responses[i].GetResponseRange().GetKvs(); len(kvs) > 0 {
			k.modified = kvs[0].ModRevision
		}
		if k.complete = k.unchanged(); !k.complete {
			p.waiting++
		}
	}
	return nil
}

// unchanged reports whether the present state of a key shows that its history is empty.
func (k *pastKey) unchanged() bool {
	if k.modified == 0 {
		return !k.key.Deletable
	}
	return k.modified < k.From
}

// watch reads the history of each key until it leads to the present state of the key.
func (p *past) watch(ctx context.Context) error {
	if p.waiting == 0 {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := pb.NewWatchClient(p.target.conn(0)).Watch(ctx)
	if err != nil {
		return fmt.Errorf("watch the keys from revision %s on: %w", humanize.Comma(p.keys[0].From), err)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		p.ask(ctx, stream)
	}()
	defer func() { cancel(); <-asked }()
	var compacted error
	for asleep := 0; p.waiting > 0; {
		r, err := stream.Recv()
		if err != nil {
			return errors.Join(compacted, fmt.Errorf("watch the keys: %w", err))
		}
		if p.target.answered != nil {
			p.target.answered()
		}
		switch {
		case r.WatchId == progressID && !r.Created:
			// A member sends no message about a key without a history.
			if asleep++; asleep > mostAsleep && r.Header.GetRevision() >= p.present {
				return errors.Join(compacted, errors.New("no such key, and none in the server's history"))
			}
		case r.WatchId < 1 || r.WatchId > int64(len(p.keys)):
			return fmt.Errorf("watch the keys: unknown watch ID %d", r.WatchId)
		case r.CompactRevision > 0:
			compacted = fmt.Errorf("the history is compacted up to revision %s", humanize.Comma(r.CompactRevision))
			p.waiting--
		case r.Canceled:
			return fmt.Errorf("watch the keys: %s", r.CancelReason)
		default:
			if asleep = 0; !p.take(p.keys[r.WatchId-1], r) {
				return fmt.Errorf("the history of these keys has more than %s changes", humanize.Comma(pastChanges))
			}
		}
	}
	return compacted
}

// mostAsleep is the number of answers without a change after which no more changes are
// expected.
const mostAsleep = 10

// ask requests the histories, and then repeatedly the member's progress.
func (p *past) ask(ctx context.Context, stream pb.Watch_WatchClient) {
	for i, k := range p.keys {
		if k.complete {
			continue
		}
		create := &pb.WatchCreateRequest{Key: []byte(k.key.Key), StartRevision: k.From, WatchId: int64(i + 1), Fragment: true}
		if stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: create}}) != nil {
			return
		}
	}
	for sleep(ctx, progressEvery) {
		progress := &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}
		if stream.Send(&pb.WatchRequest{RequestUnion: progress}) != nil {
			return
		}
	}
}

// take adds changes to the history of a key. It returns false if there are too many.
func (p *past) take(k *pastKey, r *pb.WatchResponse) bool {
	if k.complete {
		return true
	}
	k.Member = r.GetHeader().GetMemberId()
	for _, e := range r.Events {
		if e.Kv == nil || e.Kv.ModRevision > p.present {
			break
		}
		if p.changes++; p.changes > pastChanges {
			return false
		}
		version := e.Kv.Version
		if e.Type == mvccpb.Event_DELETE {
			version = 0
		}
		k.Changes = append(k.Changes, p.checker.Change(e.Kv.ModRevision, version, e.Kv.Value))
	}
	if k.reached(!r.Fragment && len(k.Changes)%pastBatch > 0) {
		k.complete = true
		p.waiting--
	}
	return true
}

// reached reports whether the history has led to the present state of the key. A deleted key
// may have been deleted before; its history comes in one message, which whole says is complete.
func (k *pastKey) reached(whole bool) bool {
	if len(k.Changes) == 0 {
		return false
	}
	last := k.Changes[len(k.Changes)-1]
	if k.modified > 0 {
		return last.Revision >= k.modified
	}
	return last.Deletion() && whole
}
