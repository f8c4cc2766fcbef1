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
	// maxUnary is the largest amount of data that is read in one answer, in bytes: gRPC
	// messages are limited to 2 GiB, and contain more than the data.
	maxUnary = 1 << 30
	// listMemory is the number of copies of all data that a list by one request makes, in the
	// member and in this process.
	listMemory = 5
)

// listing is a way to list all objects.
type listing struct {
	kind string
	// singleAnswer says that one answer contains all objects.
	singleAnswer bool
	// limit is the largest number of objects in one answer, or 0 if there is no limit.
	limit int64
	// list carries out the request and returns the bytes of all keys and values.
	list func(ctx context.Context, kv pb.KVClient, r *pb.RangeRequest) (read int64, err error)
}

func listings() []listing {
	return []listing{
		{kind: results.ScaleListUnary, singleAnswer: true, list: listPages},
		{kind: results.ScaleListPages, limit: pageSize, list: listPages},
		{kind: results.ScaleListStream, list: listStream},
	}
}

// storm makes clients list all objects of a size concurrently. Each client has its own
// connection.
func storm(ctx context.Context, s *site, e *results.ScaleEvent, how listing, clients int, size int64) error {
	if how.singleAnswer {
		if size > maxUnary {
			return skipped{fmt.Sprintf("one response cannot contain %s", bytes(size))}
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

// list reads all objects from a member, and returns the number of bytes of their keys and
// values.
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

// listPages repeats the request from the key after the last one until there are no more
// objects. All requests read the revision of the first answer.
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

// dataOf returns the number of bytes of keys and values.
func dataOf(list []*mvccpb.KeyValue) (sum int64) {
	for _, item := range list {
		sum += int64(len(item.Key) + len(item.Value))
	}
	return sum
}
