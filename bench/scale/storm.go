package scale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

const (
	// mostUnary is the most data that one answer can hold: gRPC's messages end at 2 GiB, and
	// a little of it is not data.
	mostUnary = 1 << 30
	// listMemory is how many copies of all data a list by one request makes, in the member
	// and here.
	listMemory = 5
)

// listing is a way to list all objects.
type listing struct {
	kind string
	// whole says that one answer holds all objects.
	whole bool
	// limit is the most objects of one answer, 0 where there is no limit.
	limit int64
	// list carries out the request and returns the bytes of all keys and values.
	list func(ctx context.Context, kv pb.KVClient, r *pb.RangeRequest) (read int64, err error)
}

func listings() []listing {
	return []listing{
		{kind: results.ScaleListUnary, whole: true, list: listPages},
		{kind: results.ScaleListPages, limit: pageSize, list: listPages},
		{kind: results.ScaleListStream, list: listStream},
	}
}

// storm lets clients list all objects of a size at once. Each has a connection of its own.
func storm(ctx context.Context, s *site, e *results.ScaleEvent, how listing, clients int, size int64) error {
	if how.whole {
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
			n, err := list(ctx, s, members[i%len(members)].Endpoint, how)
			read.Add(n)
			return err
		})
	}
	err := g.Wait()
	if status.Code(err) == codes.Unimplemented {
		return skipped{"this version of etcd has no RangeStream"}
	}
	e.Bytes, e.Detail = read.Load(), fmt.Sprintf("%d clients", clients)
	return err
}

// list reads all objects from a member, and returns the bytes of their keys and values.
func list(ctx context.Context, s *site, endpoint string, how listing) (read int64, err error) {
	conn, err := dial(s, endpoint)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	read, err = how.list(ctx, pb.NewKVClient(conn), &pb.RangeRequest{Key: []byte(s.prefix), RangeEnd: s.end(), Limit: how.limit})
	if err != nil {
		return read, fmt.Errorf("list: %w", err)
	}
	return read, nil
}

// listPages repeats the request from the key after the last one until there are no more, all
// at the revision of the first answer.
func listPages(ctx context.Context, kv pb.KVClient, r *pb.RangeRequest) (read int64, err error) {
	for {
		page, err := kv.Range(ctx, r)
		if err != nil {
			return read, err
		}
		read += dataOf(page.Kvs)
		if !page.More || len(page.Kvs) == 0 {
			return read, nil
		}
		r.Revision, r.Key = page.GetHeader().GetRevision(), append(page.Kvs[len(page.Kvs)-1].Key, 0)
	}
}

// listStream reads the answers of one RangeStream.
func listStream(ctx context.Context, kv pb.KVClient, r *pb.RangeRequest) (read int64, err error) {
	stream, err := kv.RangeStream(ctx, r)
	for err == nil {
		var part *pb.RangeStreamResponse
		if part, err = stream.Recv(); err == nil {
			read += dataOf(part.GetRangeResponse().GetKvs())
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return read, err
}

// dataOf are the bytes of keys and values.
func dataOf(list []*mvccpb.KeyValue) (sum int64) {
	for _, one := range list {
		sum += int64(len(one.Key) + len(one.Value))
	}
	return sum
}
