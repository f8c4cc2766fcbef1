package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
)

// rig is what all trials share: the program, a member of etcd that trials take as a running
// cluster, and a result to spoil.
type rig struct {
	dir, binary string
	member      *cluster.InProcess
	pool        *transport.Pool
	endpoint    string
	result      string // a run's directory
}

func newRig(ctx context.Context, dir, binary string) (_ *rig, err error) {
	b := &rig{dir: dir, binary: binary}
	if b.binary == "" {
		if b.binary, err = build(ctx, dir); err != nil {
			return nil, err
		}
	}
	if b.binary, err = filepath.Abs(b.binary); err != nil {
		return nil, err
	}
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync = 1, true
	s.DataDir, s.LogDir = filepath.Join(dir, "member"), filepath.Join(dir, "member-logs")
	if err := errors.Join(os.MkdirAll(s.DataDir, 0o700), os.MkdirAll(s.LogDir, 0o700)); err != nil {
		return nil, err
	}
	if b.member, err = cluster.StartInProcess(ctx, s); err != nil {
		return nil, err
	}
	b.endpoint = cluster.Endpoints(b.member)[0]
	if b.pool, err = transport.Dial(ctx, transport.Options{Endpoints: []string{b.endpoint}, Conns: 1, Timeout: 5 * time.Second}); err != nil {
		return nil, errors.Join(err, b.member.Stop())
	}
	b.result = filepath.Join(dir, "result")
	cmd := exec.CommandContext(ctx, b.binary, "run", "txn-cas", "--endpoints", b.endpoint, "--duration", "3s", "--warmup", "1s",
		"--progress", "none", "--out", b.result)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("first run: %w: %s", err, out), b.close())
	}
	return b, nil
}

func (b *rig) close() error {
	b.pool.Close()
	return b.member.Stop()
}

func (b *rig) conn() grpc.ClientConnInterface { return b.pool.Conns()[0] }

// strangers are keys and a lease that no trial may touch: one key outside every prefix, one
// beside the trial's prefix, and one with a lease.
type strangers struct {
	t         *trial
	keys      []string
	revisions []int64
	lease     int64
}

// plant writes the strangers beside a prefix that ends in a slash.
func (t *trial) plant(prefix string) (*strangers, error) {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	lease, err := pb.NewLeaseClient(t.conn()).LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 3600})
	if err != nil {
		return nil, err
	}
	beside := prefix[:len(prefix)-1]
	s := &strangers{t: t, lease: lease.ID, keys: []string{"\x01first", beside, beside + "0", "leased" + prefix}}
	for i, key := range s.keys {
		put := &pb.PutRequest{Key: []byte(key), Value: []byte("theirs")}
		if i == len(s.keys)-1 {
			put.Lease = lease.ID
		}
		r, err := pb.NewKVClient(t.conn()).Put(ctx, put)
		if err != nil {
			return nil, err
		}
		s.revisions = append(s.revisions, r.Header.Revision)
	}
	return s, nil
}

// check finds strangers that were touched, and removes them.
func (s *strangers) check() error {
	ctx, cancel := context.WithTimeout(s.t.ctx, patience)
	defer cancel()
	kv := pb.NewKVClient(s.t.conn())
	for i, key := range s.keys {
		r, err := kv.Range(ctx, &pb.RangeRequest{Key: []byte(key)})
		if err != nil {
			return err
		}
		if len(r.Kvs) != 1 || r.Kvs[0].ModRevision != s.revisions[i] {
			s.t.find(foreign, "key %q was touched: %v", key, r.Kvs)
		}
	}
	if _, err := pb.NewLeaseClient(s.t.conn()).LeaseRevoke(ctx, &pb.LeaseRevokeRequest{ID: s.lease}); err != nil {
		s.t.find(foreign, "the lease has gone: %v", err)
	}
	for _, key := range s.keys {
		if _, err := kv.DeleteRange(ctx, &pb.DeleteRangeRequest{Key: []byte(key)}); err != nil {
			return err
		}
	}
	return nil
}
