package scale

import (
	"context"
	"fmt"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/results"
)

// maintenance returns the steps of a rung that stop no member.
func (e *Experiment) maintenance(size func() int64) []step {
	list := []step{{results.ScaleCompaction, compact}}
	for i := range e.first.Settings.Members {
		list = append(list, step{results.ScaleDefragmentation, func(ctx context.Context, s *site, e *results.ScaleEvent) error {
			return defragment(ctx, s, e, i)
		}})
	}
	list = append(list, step{results.ScaleSnapshot, snapshot})
	for _, how := range listings() {
		list = append(list, skippable(how.kind, func(ctx context.Context, s *site, ev *results.ScaleEvent) error {
			return storm(ctx, s, ev, how, e.clients, size())
		}))
	}
	return list
}

// compact compacts the whole history and waits until the queried member has written the
// compaction to its disk.
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

// snapshot saves a snapshot of a follower, or of the only member, to a file, and records the
// minimum content of the file.
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
