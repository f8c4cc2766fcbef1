package workloads

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// CheckPrefix returns an error for a wrong prefix: one that is too long, or one such as "/" that
// includes every key of the cluster.
func CheckPrefix(prefix string) error {
	if len(prefix) < 2 {
		return fmt.Errorf("--prefix %q includes every key: use two characters or more", prefix)
	}
	if len(prefix) > 1024 {
		return errors.New("--prefix is longer than 1024 bytes")
	}
	return nil
}

// CountPrefix returns the number of keys under a prefix and the revision of the store. It reads
// both linearizably.
func CountPrefix(ctx context.Context, conn grpc.ClientConnInterface, prefix string) (keys, revision int64, err error) {
	r, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), CountOnly: true})
	if err != nil {
		return 0, 0, fmt.Errorf("count keys under %q: %w", prefix, err)
	}
	return r.Count, r.GetHeader().GetRevision(), nil
}

// remover is implemented by definitions of workloads that remove keys, by requests or by the
// end of leases.
type remover interface {
	// removes returns the keys that may be removed, and false if there are none.
	removes() (Keys, bool)
}

// CheckExisting returns an error if one of the workloads would remove an existing key. It reads
// the names of the keys under the prefix only if a workload removes keys.
func CheckExisting(ctx context.Context, conn grpc.ClientConnInterface, prefix string, entries []results.PlanEntry) error {
	parts, err := Parts(entries)
	if err != nil {
		return err
	}
	removed := map[string]ledger.Keys{} // by the part's name
	for _, p := range parts {
		if r, ok := p.Definition.(remover); ok {
			if keys, ok := r.removes(); ok {
				removed[p.Name] = keys.names(p.Prefix)
			}
		}
	}
	if len(removed) == 0 {
		return nil
	}
	t := Target{Conns: []grpc.ClientConnInterface{conn}, Prefix: prefix}
	names := slices.Sorted(maps.Keys(removed))
	readErr := eachKey(ctx, t, 0, true, func(kv *keyValue, _ int64) {
		for _, name := range names {
			if _, ok := removed[name].Number(kv.Key); ok && err == nil {
				err = fmt.Errorf("%s removes keys, and key %q exists already: choose another --prefix", name, clip(string(kv.Key)))
			}
		}
	})
	return cmp.Or(err, readErr)
}

// reader is implemented by definitions of workloads that may write nothing.
type reader interface{ readsOnly() bool }

// ReadsOnly reports whether the entries write nothing: neither keys nor leases.
func ReadsOnly(entries []results.PlanEntry) bool {
	parts, err := Parts(entries)
	return err == nil && !slices.ContainsFunc(parts, func(p Part) bool {
		r, ok := p.Definition.(reader)
		return !ok || !r.readsOnly()
	})
}

// keyPage is the number of keys that are read at a time, mostKeys the largest number in all:
// more than a member's database can contain.
const (
	keyPage  = 2000
	mostKeys = 1 << 28
)

type keyValue = mvccpb.KeyValue

// eachKey calls fn with every key under the target's prefix, at the given revision or, for 0,
// at the present one. The revision is the same for all keys.
func eachKey(ctx context.Context, t Target, revision int64, keysOnly bool, fn func(kv *keyValue, revision int64)) error {
	_, err := eachKeyAt(ctx, t, revision, keysOnly, fn)
	return err
}

// eachKeyAt is like eachKey, and also returns the revision and the member.
func eachKeyAt(
	ctx context.Context, t Target, revision int64, keysOnly bool, fn func(kv *keyValue, revision int64),
) (at ledger.At, err error) {
	kv := pb.NewKVClient(t.conn(0))
	req := &pb.RangeRequest{Key: []byte(t.Prefix), RangeEnd: prefixEnd(t.Prefix), Limit: keyPage, KeysOnly: keysOnly, Revision: revision}
	left := int64(mostKeys)
	for {
		r, err := kv.Range(ctx, req)
		if err != nil {
			return ledger.At{}, fmt.Errorf("read keys under %q: %w", t.Prefix, err)
		}
		if t.answered != nil {
			t.answered()
		}
		member := r.GetHeader().GetMemberId()
		if at.Revision == 0 {
			at = ledger.At{Revision: cmp.Or(revision, r.GetHeader().GetRevision()), Member: member}
			req.Revision = at.Revision
		} else if member != at.Member {
			at.Member = 0
		}
		if left = min(left, r.Count) - int64(len(r.Kvs)); left < 0 {
			return ledger.At{}, fmt.Errorf("read keys under %q: the server returns more keys than it counted, or more than %d", t.Prefix, mostKeys)
		}
		for _, k := range r.Kvs {
			fn(k, req.Revision)
		}
		if !r.More || len(r.Kvs) == 0 {
			return at, nil
		}
		req.Key = append(r.Kvs[len(r.Kvs)-1].Key, 0)
	}
}

// prefixEnd returns the end of the range of all keys that start with prefix.
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
	// populateFlight is the largest number of bytes of a population in flight.
	populateFlight = 8 << 20
)

// CheckPopulation returns an error if the keys of a population do not fit their size, or if its
// values are invalid. It sets the size of values that have none.
func CheckPopulation(p *results.PlanPopulation) error {
	values := populationValues(*p)
	keys := Keys{Size: p.KeySize, Space: p.Keys, Distribution: "sequential", Theta: 0.5, HotKeys: 1}
	err := errors.Join(keys.validate(p.Prefix), values.validate(p.KeySize))
	p.ValSize = values.Size
	return err
}

// populate writes every key of the key space once.
func populate(ctx context.Context, t Target, keys Keys, pool *values.Source, progress func(done, total int)) error {
	if err := populateFirst(ctx, t, keys, keys.Space, populateOps, pool, progress); err != nil {
		return err
	}
	return settle(ctx, t)
}

// populateFirst writes the first count keys of the key space, batch of them with each
// transaction.
func populateFirst(
	ctx context.Context, t Target, keys Keys, count, batch int64, pool *values.Source, progress func(done, total int),
) error {
	size := int64(keys.Size + pool.High + requestOverhead)
	batch = max(1, min(batch, populateBytes/size))
	var done atomic.Int64
	st := t.begin(ctx, func() string {
		return fmt.Sprintf("%s of %s keys written", humanize.Comma(done.Load()), humanize.Comma(count))
	})
	g, ctx := errgroup.WithContext(st.ctx)
	workers := t.Populators
	if workers <= 0 {
		workers = populators
	}
	g.SetLimit(max(1, min(workers, int(populateFlight/(batch*size)))))
	space := t.shared.ledger.Space(keys.names(t.Prefix), ledger.Removal{})
	accounts := t.shared.populatorAccounts(workers)
	worker := 0
	for first := int64(0); first < count && ctx.Err() == nil; first += batch {
		kv := pb.NewKVClient(t.conn(worker))
		worker++
		g.Go(func() error {
			last := min(first+batch, count)
			account := <-accounts
			defer func() { accounts <- account }()
			if err := commitPopulation(ctx, kv, populateTxn(t, keys, pool, first, last), account, space, first); err != nil {
				return err
			}
			done.Add(last - first)
			st.progress()
			return nil
		})
		if progress != nil {
			progress(int(done.Load()), int(count))
		}
	}
	err := g.Wait()
	if err == nil && done.Load() < count {
		err = ctx.Err()
	}
	if err := st.end(err); err != nil {
		return fmt.Errorf("populate: %w", err)
	}
	if progress != nil {
		progress(int(count), int(count))
	}
	return nil
}

// commitPopulation writes some keys, from first on, and records them.
func commitPopulation(
	ctx context.Context, kv pb.KVClient, txn *pb.TxnRequest, account *ledger.Account, space *ledger.Space, first int64,
) error {
	account.Send()
	r, err := kv.Txn(ctx, txn)
	if err != nil {
		account.Failed(err)
	} else {
		account.Acknowledge(r.GetHeader().GetRevision(), space, first)
	}
	for i, op := range txn.Success {
		if number := first + int64(i); err != nil {
			space.Failed(number, err)
		} else {
			space.Wrote(number, r.GetHeader().GetRevision(), op.GetRequestPut().Value)
		}
	}
	return err
}

// settle waits until every member that the load reaches has applied all writes so far. A member
// that lags would otherwise answer a serializable read without them. A member that answers a
// linearizable read has caught up.
func settle(ctx context.Context, t Target) error {
	var done atomic.Int64
	st := t.begin(ctx, func() string {
		return fmt.Sprintf("%d of %d connections lead to members that have all keys", done.Load(), len(t.Conns))
	})
	g, ctx := errgroup.WithContext(st.ctx)
	g.SetLimit(populators)
	for _, conn := range t.Conns {
		g.Go(func() error {
			_, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte(t.Prefix), CountOnly: true})
			if err == nil {
				done.Add(1)
				st.progress()
			}
			return err
		})
	}
	if err := st.end(g.Wait()); err != nil {
		return fmt.Errorf("populate: wait for members to catch up: %w", err)
	}
	return nil
}

func populateTxn(t Target, keys Keys, pool *values.Source, first, last int64) *pb.TxnRequest {
	maker := newKeyMaker(Keys{Size: keys.Size, Space: keys.Space}, t)
	req := &pb.TxnRequest{}
	for n := first; n < last; n++ {
		maker.reseed(-1, uint64(n))
		put := &pb.PutRequest{Key: maker.appendKey(nil, n), Value: pool.Value(nil, maker.rng.rand())}
		req.Success = append(req.Success, &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: put}})
	}
	return req
}

// presentRevision returns the store's revision, read linearizably.
func presentRevision(ctx context.Context, t Target) (int64, error) {
	ctx, cancel := t.patient(ctx)
	defer cancel()
	r, err := pb.NewKVClient(t.conn(0)).Range(ctx, &pb.RangeRequest{Key: []byte(t.Prefix), CountOnly: true})
	if err != nil {
		return 0, fmt.Errorf("read the present revision: %w", err)
	}
	return r.GetHeader().GetRevision(), nil
}
