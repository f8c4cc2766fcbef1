package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/results"
)

// Log is etcd's write-ahead log in this process, without a server. It is a [Cluster] of one
// member without an address, and a connection: each put appends an entry.
//
// As in etcd, one goroutine saves the entries: those that are waiting are saved together, with
// one fdatasync. A put is acknowledged when its entry is synced.
type Log struct {
	settings Settings
	wal      *wal.WAL

	mu      sync.Mutex
	next    *batch
	index   uint64
	closed  bool
	pending chan struct{} // holds a value while next has entries
	saved   chan struct{} // closed when the goroutine has ended
	bytes   atomic.Int64  // of the entries
}

// batch is a group of entries that are saved together.
type batch struct {
	entries []*raftpb.Entry
	done    chan struct{}
	err     error
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

var (
	_ Cluster                  = (*Log)(nil)
	_ grpc.ClientConnInterface = (*Log)(nil)
)

// StartLog creates an empty log in the data directory of the settings. It uses the directory,
// the quota, which bounds the bytes of the entries, and the omission of fsync; it ignores the
// other settings.
func StartLog(s Settings) (*Log, error) {
	l := &Log{settings: s, next: newBatch(), pending: make(chan struct{}, 1), saved: make(chan struct{})}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	w, err := wal.Create(zap.NewNop(), l.Dir(), nil)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	if s.UnsafeNoFsync {
		w.SetUnsafeNoFsync()
	}
	l.wal = w
	go l.run()
	return l, nil
}

// Dir returns the directory of the log.
func (l *Log) Dir() string { return filepath.Join(l.settings.DataDir, storageName) }

// Members implements [Cluster].
func (l *Log) Members() []Member { return []Member{{Name: storageName, Endpoint: storageName}} }

// TLS implements [Cluster].
func (l *Log) TLS() *tls.Config { return nil }

// Describe implements [Cluster].
func (l *Log) Describe() results.Cluster {
	flags := map[string]string{"quota-backend-bytes": fmt.Sprint(l.settings.Quota)}
	if l.settings.UnsafeNoFsync {
		flags["unsafe-no-fsync"] = "true"
	}
	return results.Cluster{Kind: results.ClusterLog, Version: version.Version, Settings: flags}
}

// Transport returns the name of the transport, for results.
func (*Log) Transport() string { return results.TransportDirect }

// Stop implements [Cluster].
func (l *Log) Stop() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	close(l.pending)
	l.mu.Unlock()
	<-l.saved
	return errors.Join(l.wal.Close(), os.RemoveAll(l.Dir()))
}

// run saves the waiting entries until the log is stopped.
func (l *Log) run() {
	defer close(l.saved)
	for range l.pending {
		l.mu.Lock()
		b := l.next
		l.next = newBatch()
		l.mu.Unlock()
		b.err = l.wal.Save(&raftpb.HardState{}, b.entries)
		close(b.done)
	}
}

// append queues an entry, and waits until it is saved or ctx ends.
func (l *Log) append(ctx context.Context, data []byte) (index uint64, err error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return 0, errors.New("the log is closed")
	}
	l.index++
	index = l.index
	b := l.next
	b.entries = append(b.entries, &raftpb.Entry{Term: proto.Uint64(1), Index: proto.Uint64(index), Data: data})
	if len(b.entries) == 1 {
		l.pending <- struct{}{} // run takes one value for each batch
	}
	l.mu.Unlock()
	l.bytes.Add(int64(len(data)))
	select {
	case <-b.done:
		return index, b.err
	case <-ctx.Done():
		return index, ctx.Err()
	}
}

// Invoke implements [grpc.ClientConnInterface] for Put and Status.
func (l *Log) Invoke(ctx context.Context, method string, args, result any, _ ...grpc.CallOption) error {
	if err := ctx.Err(); err != nil {
		return status.FromContextError(err).Err()
	}
	switch request := args.(type) {
	case *pb.PutRequest:
		data, err := proto.Marshal(&pb.InternalRaftRequest{Put: request})
		if err != nil {
			return status.Error(codes.Internal, err.Error())
		}
		index, err := l.append(ctx, data)
		switch {
		case err != nil && ctx.Err() != nil:
			return status.FromContextError(err).Err()
		case err != nil:
			return status.Error(codes.Unknown, err.Error())
		}
		result.(*pb.PutResponse).Header = &pb.ResponseHeader{Revision: int64(index) + 1}
		return nil
	case *pb.RangeRequest: // the log has no keys
		result.(*pb.RangeResponse).Header = &pb.ResponseHeader{Revision: l.revision()}
		return nil
	case *pb.StatusRequest:
		size := l.bytes.Load()
		s := result.(*pb.StatusResponse)
		s.Header, s.Version = &pb.ResponseHeader{Revision: l.revision()}, version.Version
		s.DbSize, s.DbSizeInUse, s.DbSizeQuota = size, size, l.settings.Quota
		return nil
	}
	return unimplemented(method)
}

func (l *Log) revision() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(l.index) + 1
}

// NewStream implements [grpc.ClientConnInterface]. It returns an error: the log has no
// streams.
func (l *Log) NewStream(_ context.Context, _ *grpc.StreamDesc, method string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, unimplemented(method)
}
