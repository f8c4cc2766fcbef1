package workloads

import (
	"context"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/workloads/claim"
)

// deletePatience bounds the wait for the answers of one page.
const deletePatience = 20 * time.Second

// maxRereads is the largest number of times that a page is read again because another client
// wrote in it. After that, the remaining keys stay.
const maxRereads = 20

// deleteBatch is the largest number of keys that one request deletes, and deleteBytes the
// largest number of bytes of these keys: a single request for all keys would block a cluster
// that other clients use, and a comparison of revisions reads the values.
const (
	deleteBatch = 1000
	deleteBytes = 8 << 20
)

// deletion is the removal of some of the keys under a prefix, unless another client
// writes them meanwhile. The markers of claims stay.
type deletion struct {
	kv pb.KVClient
	// own reports whether a key, which has no value here, must be deleted.
	own func(context.Context, *keyValue) (bool, error)
	// counted reports whether a key that stays must be counted.
	counted func(*keyValue) bool
}

// run deletes the keys under a prefix in batches. It returns the number of deleted keys, and
// the number of remaining keys that were counted.
func (d deletion) run(ctx context.Context, prefix string, batch int64) (deleted, foreign int, err error) {
	st := Target{Patience: deletePatience}.begin(ctx, func() string { return fmt.Sprintf("%d keys deleted", deleted) })
	defer func() { err = st.end(err) }()
	request := &pb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), KeysOnly: true, Limit: batch}
	for rereads := 0; ; {
		page, err := d.kv.Range(st.ctx, request)
		if err != nil {
			return deleted, foreign, fmt.Errorf("list keys under %q: %w", prefix, err)
		}
		removed, kept, changed, err := d.page(st.ctx, page)
		deleted += removed
		if err != nil {
			return deleted, foreign, fmt.Errorf("delete keys under %q: %w", prefix, err)
		}
		st.progress()
		if changed && rereads < maxRereads {
			rereads++ // and look at the page once more
			continue
		}
		foreign, rereads = foreign+kept, 0
		if !page.More || len(page.Kvs) == 0 {
			return deleted, foreign, nil
		}
		request.Key = append(page.Kvs[len(page.Kvs)-1].Key, 0)
	}
}

// latePause is the time between two searches for keys of late requests: those that a member
// executes after their clients have given up. lateLooks bounds the number of searches.
const (
	latePause = time.Second
	lateLooks = 10
)

// runLate is like run, but repeats the search until it finds nothing to delete: a late request
// may write a key after the first search.
func (d deletion) runLate(ctx context.Context, prefix string, batch int64) (foreign int, err error) {
	_, foreign, err = d.run(ctx, prefix, batch)
	for range lateLooks {
		if err != nil {
			return foreign, err
		}
		if !sleep(ctx, latePause) {
			return foreign, fmt.Errorf("look for late writes under %q: %w", prefix, ctx.Err())
		}
		var deleted int
		if deleted, foreign, err = d.run(ctx, prefix, batch); deleted == 0 {
			return foreign, err
		}
	}
	return foreign, err
}

// isOwn reports whether a key must be deleted.
func (d deletion) isOwn(ctx context.Context, kv *keyValue) (bool, error) {
	if claim.IsMarker(kv.Key) {
		return false, nil
	}
	return d.own(ctx, kv)
}

// page deletes the keys of a page. It deletes adjacent keys with one request. It returns the
// number of deleted keys, the number of remaining keys that were counted, and whether another
// client has written one meanwhile.
func (d deletion) page(ctx context.Context, page *pb.RangeResponse) (deleted, foreign int, changed bool, err error) {
	first := -1 // the first of adjacent keys to delete
	for i := 0; i <= len(page.Kvs); i++ {
		own := false
		if i < len(page.Kvs) {
			if own, err = d.isOwn(ctx, page.Kvs[i]); err != nil {
				return deleted, foreign, changed, err
			}
			if !own && d.counted(page.Kvs[i]) && !claim.IsMarker(page.Kvs[i].Key) {
				foreign++
			}
		}
		switch {
		case own && first < 0:
			first = i
		case !own && first >= 0:
			n, done, err := d.remove(ctx, page.Kvs[first].Key, page.Kvs[i-1].Key, page.GetHeader().GetRevision())
			if err != nil {
				return deleted, foreign, changed, err
			}
			deleted, changed, first = deleted+n, changed || !done, -1
		}
	}
	return deleted, foreign, changed, nil
}

// remove deletes the keys from first to last unless one was written after a revision.
func (d deletion) remove(ctx context.Context, first, last []byte, revision int64) (deleted int, done bool, err error) {
	var end []byte
	if string(first) != string(last) {
		end = append(append(end, last...), 0)
	}
	r, err := d.kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{
			Key: first, RangeEnd: end, Result: pb.Compare_LESS, Target: pb.Compare_MOD,
			TargetUnion: &pb.Compare_ModRevision{ModRevision: revision + 1},
		}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestDeleteRange{
			RequestDeleteRange: &pb.DeleteRangeRequest{Key: first, RangeEnd: end},
		}}},
	})
	for _, response := range r.GetResponses() {
		deleted += int(response.GetResponseDeleteRange().GetDeleted())
	}
	return deleted, r.GetSucceeded(), err
}
