package workloads

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"

	"github.com/etcdbench/etcdbench/results"
)

// Extend writes the keys of a population from number from on, and does not change the earlier
// ones. Keys and values are those that a workload with the population's key size and prefix
// reads. It returns when every member that t.Conns reach has applied them.
func Extend(ctx context.Context, t Target, p results.PlanPopulation, from int64, progress func(done, total int64)) error {
	content := populationValues(p)
	keys := Keys{Size: p.KeySize, Space: p.Keys, Distribution: "sequential", Theta: 0.5, HotKeys: 1}
	if err := keys.validate(p.Prefix); err != nil {
		return err
	}
	if err := content.validate(p.KeySize); err != nil {
		return err
	}
	t.Prefix = p.Prefix
	pool := content.source(t.Seed)
	batch := max(1, min(populateOps, int64(populateBytes/(keys.Size+pool.High+requestOverhead))))
	var done atomic.Int64
	st := t.begin(ctx, func() string {
		return fmt.Sprintf("%s of %s keys written", humanize.Comma(done.Load()), humanize.Comma(p.Keys-from))
	})
	g, ctx := errgroup.WithContext(st.ctx)
	g.SetLimit(populators)
	for first := from; first < p.Keys && ctx.Err() == nil; first += batch {
		kv := pb.NewKVClient(t.conn(int(first / batch)))
		g.Go(func() error {
			last := min(first+batch, p.Keys)
			if _, err := kv.Txn(ctx, populateTxn(t, keys, pool, first, last)); err != nil {
				return err
			}
			st.progress()
			progress(done.Add(last-first), p.Keys-from)
			return nil
		})
	}
	err := g.Wait()
	if err == nil && done.Load() < p.Keys-from {
		err = ctx.Err()
	}
	if err := st.end(err); err != nil {
		return fmt.Errorf("populate: %w", err)
	}
	return settle(context.WithoutCancel(ctx), t)
}
