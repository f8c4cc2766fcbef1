package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// probeTime is how long the data directory's fdatasync is measured.
const probeTime = 2 * time.Second

// session is a cluster that answers, and connections to it.
type session struct {
	cluster.Cluster
	info    results.Cluster
	disk    *results.Disk
	dataDir string
	// admin has one connection per member, for questions beside the load.
	admin *transport.Pool
	load  *transport.Pool
}

// openSession starts or finds the cluster and connects to it.
func openSession(ctx context.Context, o *clusterOptions, conns int, runDir, runID string) (_ *session, err error) {
	s := &session{}
	if s.dataDir, err = o.makeDataDir(runDir, runID); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.dataDir != "" {
		if s.disk, err = machine.ProbeDisk(ctx, s.dataDir, o.probe); err != nil {
			return nil, err
		}
	}
	if s.Cluster, err = o.start(ctx, s.dataDir, runDir); err != nil {
		return nil, err
	}
	if err := s.connect(ctx, o, conns); err != nil {
		return nil, err
	}
	return s, nil
}

// connect finds out who is there, and dials.
func (s *session) connect(ctx context.Context, o *clusterOptions, conns int) error {
	endpoints := cluster.Endpoints(s)
	options := transport.Options{Endpoints: endpoints, Conns: len(endpoints), TLS: s.TLS(), Timeout: o.dialTimeout}
	dialCtx, cancel := context.WithTimeout(ctx, o.dialTimeout)
	defer cancel()
	// Without credentials first: a failed login would not say that nobody is there.
	probe, err := transport.Dial(ctx, options)
	if err != nil {
		return err
	}
	defer probe.Close()
	if err := cluster.Reach(dialCtx, s.Members(), probe.Conns()); err != nil {
		return err
	}
	options.User, options.Password = o.user, o.password
	if s.admin, err = transport.Dial(ctx, options); err != nil {
		return err
	}
	if s.info, err = cluster.Inspect(dialCtx, s, s.admin.Conns()); err != nil {
		return err
	}
	options.Conns = conns
	if o.leaderOnly {
		options.Endpoints = nil
		for _, m := range s.info.Members {
			if m.Leader {
				options.Endpoints = []string{m.Endpoint}
			}
		}
		if options.Endpoints == nil {
			return errors.New("--target-leader: none of the endpoints is the leader")
		}
	}
	s.load, err = transport.Dial(ctx, options)
	return err
}

// conn is a connection for single requests with the load's credentials.
func (s *session) conn() grpc.ClientConnInterface { return s.load.Conns()[0] }

// close disconnects, stops what was started and removes its data.
func (s *session) close() error {
	for _, p := range []*transport.Pool{s.load, s.admin} {
		if p != nil {
			p.Close()
		}
	}
	var err error
	if s.Cluster != nil {
		err = s.Stop()
	}
	if s.dataDir != "" {
		// Empty by now; what is not ours stays, and keeps the directory.
		if rmErr := os.Remove(s.dataDir); rmErr != nil && !errors.Is(rmErr, os.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("remove data directory: %w", rmErr))
		}
	}
	return err
}
