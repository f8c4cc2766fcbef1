package scale

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"

	"github.com/etcdbench/etcdbench/results"
)

// content describes the content of a cluster at one moment.
type content struct {
	cluster  uint64 // its ID
	revision int64
	objects  int64
}

// content reads the content from a member with a linearizable read.
func (s *site) content(ctx context.Context, member int) (c content, err error) {
	r, err := pb.NewKVClient(s.conns[member]).Range(ctx, &pb.RangeRequest{Key: []byte(s.prefix), RangeEnd: s.end(), CountOnly: true})
	if err != nil {
		return c, fmt.Errorf("count the objects: %w", err)
	}
	return content{cluster: r.GetHeader().GetClusterId(), revision: r.GetHeader().GetRevision(), objects: r.GetCount()}, nil
}

// check returns an error if a restored cluster lacks some of the snapshot's content. The load
// may have written to the cluster since.
func (c content) check(restored content) error {
	switch {
	case restored.cluster == c.cluster:
		return errors.New("the members have not formed a new cluster")
	case restored.revision < c.revision:
		return fmt.Errorf("the revision is %d, lower than that of the snapshot, %d", restored.revision, c.revision)
	case restored.objects != c.objects:
		return fmt.Errorf("the cluster has %d objects, but the snapshot has %d", restored.objects, c.objects)
	}
	return nil
}

// restoration returns the step of a rung that discards the writes since the snapshot.
func (e *Experiment) restoration() []step {
	return []step{skippable(results.ScaleRestore, restore)}
}

// restore kills all members, replaces the data of all of them concurrently with the snapshot
// file, and starts them. Times count from the end of the processes.
func restore(ctx context.Context, s *site, e *results.ScaleEvent) error {
	if s.saved == (content{}) {
		return skipped{"no snapshot file was saved"}
	}
	var all []int
	for i := range s.conns {
		all = append(all, i)
		if err := s.Kill(i); err != nil {
			return err
		}
	}
	begin := time.Now()
	var g errgroup.Group
	for i := range s.conns {
		g.Go(func() error { return s.Restore(i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	e.Restored, e.Bytes = time.Since(begin), fileSize(s.SnapshotFile())
	for i := range s.conns {
		if err := s.Start(i); err != nil {
			return err
		}
	}
	if err := measureRecovery(ctx, s, e, begin, all...); err != nil {
		return err
	}
	now, err := s.content(ctx, 0)
	if err != nil {
		return err
	}
	e.Detail = fmt.Sprintf("%s objects at revision %s or later", humanize.Comma(now.objects), humanize.Comma(s.saved.revision))
	return s.saved.check(now)
}
