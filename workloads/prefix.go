package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// CheckPrefix says what is wrong with a prefix. One that is empty, or "/",
// would make every key of the cluster ours.
func CheckPrefix(prefix string) error {
	if len(prefix) < 2 {
		return fmt.Errorf("--prefix %q would lay claim to every key: use one of two characters or more", prefix)
	}
	if len(prefix) > 1024 {
		return errors.New("--prefix is longer than 1024 bytes")
	}
	return nil
}

// CountPrefix returns how many keys there are under a prefix.
func CountPrefix(ctx context.Context, conn grpc.ClientConnInterface, prefix string) (int64, error) {
	r, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), CountOnly: true})
	if err != nil {
		return 0, fmt.Errorf("count keys under %q: %w", prefix, err)
	}
	return r.Count, nil
}

// deleteBatch is how many keys one request deletes: a single request for all
// would stop a cluster that others use.
const deleteBatch = 1000

// DeletePrefix deletes every key under a prefix, some at a time.
func DeletePrefix(ctx context.Context, conn grpc.ClientConnInterface, prefix string) error {
	kv := pb.NewKVClient(conn)
	end := prefixEnd(prefix)
	for {
		r, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte(prefix), RangeEnd: end, KeysOnly: true, Limit: deleteBatch})
		if err != nil {
			return fmt.Errorf("list keys under %q: %w", prefix, err)
		}
		if len(r.Kvs) == 0 {
			return nil
		}
		last := append(r.Kvs[len(r.Kvs)-1].Key, 0)
		if _, err := kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte(prefix), RangeEnd: last}); err != nil {
			return fmt.Errorf("delete keys under %q: %w", prefix, err)
		}
	}
}

// keyPage is how many keys are read at a time.
const keyPage = 2000

type keyValue = mvccpb.KeyValue

// eachKey calls fn with every key under the target's prefix and the revision it
// was read at, which is the same for all: the given one, or the present one for 0.
func eachKey(ctx context.Context, t Target, revision int64, keysOnly bool, fn func(kv *keyValue, revision int64)) error {
	kv := pb.NewKVClient(t.conn(0))
	req := &pb.RangeRequest{Key: []byte(t.Prefix), RangeEnd: prefixEnd(t.Prefix), Limit: keyPage, KeysOnly: keysOnly, Revision: revision}
	for {
		r, err := kv.Range(ctx, req)
		if err != nil {
			return fmt.Errorf("read keys under %q: %w", t.Prefix, err)
		}
		if req.Revision == 0 {
			req.Revision = r.GetHeader().GetRevision()
		}
		for _, k := range r.Kvs {
			fn(k, req.Revision)
		}
		if !r.More || len(r.Kvs) == 0 {
			return nil
		}
		req.Key = append(r.Kvs[len(r.Kvs)-1].Key, 0)
	}
}

// prefixEnd is the end of the range of all keys that start with prefix.
func prefixEnd(prefix string) []byte {
	end := []byte(prefix)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] < 0xff {
			end[i]++
			return end[:i+1]
		}
	}
	return []byte{0}
}

// A transaction of the population stays within etcd's default limits: 128
// operations and 1.5 MiB.
const (
	populateOps   = 100
	populateBytes = maxRequest / 2
	populators    = 64
)

// CheckPopulation returns an error when the keys of a population cannot be named
// or its values cannot be made.
func CheckPopulation(p results.PlanPopulation) error {
	values := Values{Size: p.ValSize, Content: "random"}
	keys := Keys{Size: p.KeySize, Space: p.Keys, Distribution: "sequential", Theta: 0.5, HotKeys: 1}
	return errors.Join(keys.validate(p.Prefix), values.validate(p.KeySize))
}

// populate writes every key of the key space once.
func populate(ctx context.Context, t Target, keys Keys, pool *valuePool, progress func(done, total int)) error {
	return populateFirst(ctx, t, keys, keys.Space, populateOps, pool, progress)
}

// populateFirst writes the first keys of the key space, so many with one
// transaction.
func populateFirst(ctx context.Context, t Target, keys Keys, count, batch int64, pool *valuePool, progress func(done, total int)) error {
	batch = max(1, min(batch, int64(populateBytes/(keys.Size+pool.high+requestOverhead))))
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	workers := t.Populators
	if workers <= 0 {
		workers = populators
	}
	g.SetLimit(workers)
	space := t.shared.ledger.Space(keys.names(t.Prefix), ledger.Removal{})
	worker := 0
	for first := int64(0); first < count && ctx.Err() == nil; first += batch {
		kv := pb.NewKVClient(t.conn(worker))
		worker++
		g.Go(func() error {
			last := min(first+batch, count)
			txn := populateTxn(t, keys, pool, first, last)
			r, err := kv.Txn(ctx, txn)
			if err != nil {
				return fmt.Errorf("populate: %w", err)
			}
			for i, op := range txn.Success {
				space.Wrote(first+int64(i), r.GetHeader().GetRevision(), op.GetRequestPut().Value)
			}
			done.Add(last - first)
			return nil
		})
		if progress != nil {
			progress(int(done.Load()), int(count))
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil && done.Load() < count {
		return err
	}
	if progress != nil {
		progress(int(count), int(count))
	}
	return nil
}

func populateTxn(t Target, keys Keys, pool *valuePool, first, last int64) *pb.TxnRequest {
	maker := newKeyMaker(Keys{Size: keys.Size, Space: keys.Space}, t)
	req := &pb.TxnRequest{}
	for n := first; n < last; n++ {
		maker.rng.reset(-1, uint64(n))
		put := &pb.PutRequest{Key: maker.appendKey(nil, n), Value: pool.value(&maker.rng)}
		req.Success = append(req.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
	}
	return req
}

// presentRevision is the store's revision, read linearizably.
func presentRevision(ctx context.Context, t Target) (int64, error) {
	r, err := pb.NewKVClient(t.conn(0)).Range(ctx, &pb.RangeRequest{Key: []byte(t.Prefix), CountOnly: true})
	if err != nil {
		return 0, fmt.Errorf("ask for the present revision: %w", err)
	}
	return r.GetHeader().GetRevision(), nil
}
