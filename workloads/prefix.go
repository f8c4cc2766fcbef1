package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
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

// populate writes every key of the key space once.
func populate(ctx context.Context, t Target, keys Keys, pool *valuePool, progress func(done, total int)) error {
	batch := max(1, min(populateOps, int64(populateBytes/(keys.Size+pool.high+requestOverhead))))
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	workers := t.Populators
	if workers <= 0 {
		workers = populators
	}
	g.SetLimit(workers)
	worker := 0
	for first := int64(0); first < keys.Space && ctx.Err() == nil; first += batch {
		kv := pb.NewKVClient(t.conn(worker))
		worker++
		g.Go(func() error {
			last := min(first+batch, keys.Space)
			if _, err := kv.Txn(ctx, populateTxn(t, keys, pool, first, last)); err != nil {
				return fmt.Errorf("populate: %w", err)
			}
			done.Add(last - first)
			return nil
		})
		if progress != nil {
			progress(int(done.Load()), int(keys.Space))
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil && done.Load() < keys.Space {
		return err
	}
	if progress != nil {
		progress(int(keys.Space), int(keys.Space))
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
