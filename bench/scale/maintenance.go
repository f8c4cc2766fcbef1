package scale

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// maintenance are the steps of a rung that stop no member.
func (e *Experiment) maintenance(size func() int64) []step {
	list := []step{{results.ScaleCompaction, compact}}
	for i := range e.first.Settings.Members {
		list = append(list, step{results.ScaleDefragmentation, func(ctx context.Context, s *site, e *results.ScaleEvent) error {
			return defragment(ctx, s, e, i)
		}})
	}
	return append(list, step{results.ScaleSnapshot, snapshot},
		skippable(results.ScaleListUnary, func(ctx context.Context, s *site, ev *results.ScaleEvent) error {
			return storm(ctx, s, ev, e.clients, size(), 0)
		}),
		skippable(results.ScaleListPages, func(ctx context.Context, s *site, ev *results.ScaleEvent) error {
			return storm(ctx, s, ev, e.clients, size(), pageSize)
		}))
}

// compact compacts the whole history and waits until that is done on the disk of the member
// that is asked.
func compact(ctx context.Context, s *site, e *results.ScaleEvent) error {
	kv := pb.NewKVClient(s.conns[0])
	r, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte(s.prefix), CountOnly: true})
	if err != nil {
		return fmt.Errorf("ask for the revision: %w", err)
	}
	e.FileBefore = s.files()
	if _, err := kv.Compact(ctx, &pb.CompactionRequest{Revision: r.GetHeader().GetRevision(), Physical: true}); err != nil {
		return fmt.Errorf("compact: %w", err)
	}
	e.FileAfter, e.Detail = s.files(), "to revision "+humanize.Comma(r.GetHeader().GetRevision())
	return nil
}

func defragment(ctx context.Context, s *site, e *results.ScaleEvent, member int) error {
	e.Member, e.FileBefore = s.name(member), s.file(member)
	if _, err := pb.NewMaintenanceClient(s.conns[member]).Defragment(ctx, &pb.DefragmentRequest{}); err != nil {
		return fmt.Errorf("defragment: %w", err)
	}
	e.FileAfter = s.file(member)
	return nil
}

// snapshot saves a snapshot of a follower, or the only member, to a file, and remembers what
// it must hold at least.
func snapshot(ctx context.Context, s *site, e *results.ScaleEvent) error {
	member, err := s.follower(ctx)
	if err != nil {
		return err
	}
	e.Member = s.name(member)
	before, err := s.content(ctx, member)
	if err != nil {
		return err
	}
	if e.Bytes, err = s.SaveSnapshot(ctx, member); err == nil {
		s.saved = before
	}
	return err
}

const (
	// mostUnary is the most data that one answer can hold: gRPC's messages end at 2 GiB, and
	// a little of it is not data.
	mostUnary = 1 << 30
	// listMemory is how many copies of all data a list by one request makes, in the member
	// and here.
	listMemory = 5
)

// storm lets clients list all objects at once: each by one request, or in pages. Each has a
// connection of its own.
func storm(ctx context.Context, s *site, e *results.ScaleEvent, clients int, size, page int64) error {
	if page == 0 {
		if size > mostUnary {
			return skipped{fmt.Sprintf("one answer cannot hold %s", bytes(size))}
		}
		if available := machine.AvailableMemory() / 2; available > 0 {
			clients = min(clients, int(available/uint64(listMemory*size)))
		}
		if clients == 0 {
			return skipped{fmt.Sprintf("not enough memory for a list of %s", bytes(size))}
		}
	}
	members := s.Members()
	var read atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for i := range clients {
		g.Go(func() error {
			n, err := list(ctx, s, members[i%len(members)].Endpoint, page)
			read.Add(n)
			return err
		})
	}
	err := g.Wait()
	e.Bytes, e.Detail = read.Load(), fmt.Sprintf("%d clients", clients)
	return err
}

// list reads all objects from a member, and returns the bytes of their keys and values.
func list(ctx context.Context, c *site, endpoint string, page int64) (read int64, err error) {
	conn, err := dial(cluster.Cluster(c), endpoint)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	kv := pb.NewKVClient(conn)
	req := &pb.RangeRequest{Key: []byte(c.prefix), RangeEnd: c.end(), Limit: page}
	for {
		r, err := kv.Range(ctx, req)
		if err != nil {
			return read, fmt.Errorf("list: %w", err)
		}
		for _, one := range r.Kvs {
			read += int64(len(one.Key) + len(one.Value))
		}
		if !r.More || len(r.Kvs) == 0 {
			return read, nil
		}
		req.Revision, req.Key = r.GetHeader().GetRevision(), append(r.Kvs[len(r.Kvs)-1].Key, 0)
	}
}
