package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// rig is what all trials share: the program, a member of etcd that trials take as a running
// cluster, and a result to damage.
type rig struct {
	dir, binary string
	member      *cluster.InProcess
	pool        *transport.Pool
	endpoint    string
	result      string // a run's directory
	token       string // a file with a join token
	documents   string // the directory of documents of every kind, see tryExperiments
	scenarios   string // the directory of the built-in scenarios
	experiment  string // the directory of a capacity search that was interrupted
	watch       *stallWatch
	ended       chan struct{}
}

func newRig(ctx context.Context, dir, binary string) (_ *rig, err error) {
	b := &rig{dir: dir, binary: binary, ended: make(chan struct{})}
	b.watch = newStallWatch(b.ended)
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
	if err := b.prepareDocuments(ctx); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// prepareDocuments finds documents of every kind in the module, and makes what is not there:
// a join token, a saved specification and a saved experiment.
func (b *rig) prepareDocuments(ctx context.Context) error {
	const module = "github.com/etcdbench/etcdbench/"
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.Dir}}", module+"report", module+"workloads/scenario")
	out, err := list.Output()
	dirs := strings.Fields(string(out))
	if err != nil || len(dirs) != 2 {
		return fmt.Errorf("the stress command needs the source of etcdbench: go list: %w", err)
	}
	b.documents, b.scenarios = filepath.Join(dirs[0], "testdata"), filepath.Join(dirs[1], "builtin")
	b.token, b.experiment = filepath.Join(b.dir, "join.pem"), filepath.Join(b.dir, "experiment")
	token, err := exec.CommandContext(ctx, b.binary, "agent", "token", "--host", "127.0.0.1").Output()
	if err == nil {
		err = os.WriteFile(b.token, token, 0o600)
	}
	if err != nil {
		return fmt.Errorf("join token: %w", err)
	}
	search := exec.CommandContext(ctx, b.binary, "capacity", "--endpoints", b.endpoint, "--quick", "--progress", "none", "--out", b.experiment)
	if err := search.Start(); err != nil {
		return err
	}
	saved := filepath.Join(b.experiment, results.ExperimentFile)
	for n := 0; n < 600 && !exists(saved); n++ {
		time.Sleep(100 * time.Millisecond)
	}
	_ = search.Process.Signal(os.Interrupt)
	_ = search.Wait() // interrupted
	if !exists(saved) {
		return fmt.Errorf("no %s after a minute", saved)
	}
	return nil
}

func (b *rig) close() error {
	close(b.ended)
	b.pool.Close()
	return b.member.Stop()
}

func (b *rig) conn() grpc.ClientConnInterface { return b.pool.Conns()[0] }

// foreignData are keys and a lease that no trial may touch: one key outside every prefix, one
// beside the trial's prefix, and one with a lease.
type foreignData struct {
	t         *trial
	keys      []string
	revisions []int64
	lease     int64
}

// plant writes the foreign data beside a prefix that ends in a slash.
func (t *trial) plant(prefix string) (*foreignData, error) {
	ctx, cancel := context.WithTimeout(t.ctx, patience)
	defer cancel()
	lease, err := pb.NewLeaseClient(t.conn()).LeaseGrant(ctx, &pb.LeaseGrantRequest{TTL: 3600})
	if err != nil {
		return nil, err
	}
	beside := prefix[:len(prefix)-1]
	s := &foreignData{t: t, lease: lease.ID, keys: []string{"\x01first", beside, beside + "0", "leased" + prefix}}
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

// check finds foreign data that were touched, and removes them.
func (s *foreignData) check() error {
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
