package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// AgentOptions says how an agent joins a session.
type AgentOptions struct {
	Endpoint Endpoint
	// Index is the index of the agent's share. If it is negative, the coordinator assigns the
	// first free one.
	Index int
	// JoinTimeout bounds the wait for the coordinator; 0 means a single attempt.
	JoinTimeout time.Duration
	// Version must be that of the coordinator.
	Version string
	// Reach, if not nil, changes how the cluster under test is reached, such as the paths of
	// credentials on this machine.
	Reach func(*runner.Remote)
	// Password is the password of the cluster's user.
	Password string
	// Notice, if not nil, is called with a description of each step of the agent.
	Notice func(text string)
	// Clock is the wall clock; nil means [time.Now].
	Clock func() time.Time
}

// agent is one process of a session.
type agent struct {
	o       AgentOptions
	client  *clientv3.Client
	session *concurrency.Session
	root    string
	index   int
	count   int
	mail    *mailbox

	clock chan stamps
	// assigned holds shares to carry out. current is the last one; only the reader of messages
	// uses it.
	assigned chan *share
	current  *share
	// status is the error of the last share, nil if it has finished. Only work uses it.
	status error
	// runShare generates the load of a share.
	runShare func(context.Context, runner.Assignment, runner.ShareOptions) (*results.Run, error)
}

func newAgent(o AgentOptions) *agent {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	return &agent{o: o, clock: make(chan stamps, 1), assigned: make(chan *share, 1), runShare: runner.RunShare}
}

// ErrCoordinator is the error when the coordinator has ended or cannot be reached.
var ErrCoordinator = errors.New("the coordinator cannot be reached: the load was stopped")

// Serve joins a session and carries out shares of runs until the coordinator ends the session.
// It returns the error of the session or of its last share, and [bench.ErrInterrupted] if the
// coordinator was interrupted.
func Serve(ctx context.Context, o AgentOptions) error { return newAgent(o).serveSession(ctx) }

// serveSession joins the session and serves it until its end.
func (a *agent) serveSession(ctx context.Context) error {
	if err := a.findInTime(ctx); err != nil {
		return err
	}
	client := a.client
	defer client.Close()
	var err error
	if a.session, err = concurrency.NewSession(client, concurrency.WithTTL(leaseSeconds(a.count))); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	defer func() {
		select {
		case <-a.session.Done():
		default:
			_ = a.session.Close()
		}
	}()
	revision, err := a.join(ctx)
	if err != nil {
		return err
	}
	a.o.Notice(fmt.Sprintf("joined as agent %d of %d", a.index, a.count))
	return a.serve(ctx, revision)
}

// errNotYet is the error when no coordinator has opened a session, but one may do so later.
var errNotYet = errors.New("join: no coordinator waits for agents at this address: check --join")

// joinPause is the time between two attempts to find the coordinator.
const joinPause = time.Second

// findInTime connects and finds the session. It waits until JoinTimeout for a coordinator that
// has not started.
func (a *agent) findInTime(ctx context.Context) (err error) {
	for deadline := time.Now().Add(a.o.JoinTimeout); ; {
		if a.client, err = a.o.Endpoint.connect(ctx); err == nil {
			if err = a.find(ctx); err == nil {
				return nil
			}
			_ = a.client.Close()
		}
		later := errors.Is(err, errNotYet) || errors.Is(err, errUnreachable)
		if !later || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(joinPause):
		}
	}
}

// find reads the coordinator's description of its session.
func (a *agent) find(ctx context.Context) error {
	r, err := a.client.Get(ctx, root, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("join: %w", err)
	}
	var found []string
	var about info
	for _, kv := range r.Kvs {
		if name, ok := strings.CutSuffix(string(kv.Key), "info"); ok {
			found = append(found, name)
			if err := json.Unmarshal(kv.Value, &about); err != nil {
				return fmt.Errorf("join: %w", err)
			}
		}
	}
	switch {
	case len(found) == 0:
		return errNotYet
	case len(found) > 1:
		return fmt.Errorf("join: %d coordinators use this etcd: give each one its own", len(found))
	case about.Version != a.o.Version:
		return fmt.Errorf("join: this agent is etcdbench %s, the coordinator %s: use the same version", a.o.Version, about.Version)
	case a.o.Index >= about.Count:
		return fmt.Errorf("join: --index must be below the %d agents, not %d", about.Count, a.o.Index)
	}
	a.root, a.count = found[0], about.Count
	return nil
}

// join claims an index. It returns the revision from which on messages are addressed to this
// agent.
func (a *agent) join(ctx context.Context) (revision int64, err error) {
	host, _ := os.Hostname()
	lease := a.session.Lease()
	value, err := json.Marshal(hello{Host: cmp.Or(host, "unknown"), Lease: int64(lease)})
	if err != nil {
		return 0, err
	}
	first, last := a.o.Index, a.o.Index
	if first < 0 {
		first, last = 0, a.count-1
	}
	for i := first; i <= last; i++ {
		key := fmt.Sprintf("%sup/member/%d", a.root, i)
		r, err := a.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, string(value), clientv3.WithLease(lease))).Commit()
		if err != nil {
			return 0, fmt.Errorf("join: %w", err)
		}
		if r.Succeeded {
			a.index = i
			a.mail = &mailbox{client: a.client, prefix: fmt.Sprintf("%sup/from/%d/%d/", a.root, i, lease), lease: lease}
			return r.Header.Revision + 1, nil
		}
	}
	if a.o.Index >= 0 {
		return 0, fmt.Errorf("join: another agent has the index %d: use another --index", a.o.Index)
	}
	return 0, fmt.Errorf("join: the run already has its %d agents", a.count)
}

// serve carries out shares, one after the other, and reads messages meanwhile.
func (a *agent) serve(ctx context.Context, revision int64) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-a.session.Done():
			cancel(bench.NewAbort(ErrCoordinator))
		case <-ctx.Done():
		}
	}()
	shares := make(chan error, 1)
	go func() { shares <- a.work(ctx) }()
	from := clientv3.WithRev(revision)
	all := a.client.Watch(ctx, a.root+"down/all/", clientv3.WithPrefix(), from)
	own := a.client.Watch(ctx, fmt.Sprintf("%sdown/%d/", a.root, a.index), clientv3.WithPrefix(), from)
	about := a.client.Watch(ctx, a.root+"info", from)
	done := false
	for !done && ctx.Err() == nil {
		var r clientv3.WatchResponse
		select {
		case r = <-all:
		case r = <-own:
		case r = <-about:
			if slices.ContainsFunc(r.Events, func(e *clientv3.Event) bool { return e.Type == clientv3.EventTypeDelete }) {
				cancel(bench.NewAbort(ErrCoordinator))
			}
			continue
		case err := <-shares:
			return err
		}
		if r.Err() != nil || len(r.Events) == 0 && ctx.Err() == nil && r.Canceled {
			cancel(bench.NewAbort(fmt.Errorf("%w: %w", ErrCoordinator, r.Err())))
		}
		for _, e := range r.Events {
			var m message
			if e.Type != clientv3.EventTypePut || json.Unmarshal(e.Kv.Value, &m) != nil {
				continue
			}
			done = done || a.receive(m)
		}
	}
	close(a.assigned)
	return <-shares
}

// receive handles one message, and reports whether the session has ended.
func (a *agent) receive(m message) (over bool) {
	switch m.Kind {
	case endSession:
		if a.current != nil {
			a.current.release() // its release message may be missing
		}
		return true
	case clockReply:
		var s stamps
		if json.Unmarshal(m.Body, &s) == nil {
			s.AnswerReceived = a.o.Clock().UnixNano()
			select {
			case a.clock <- s:
			default:
			}
		}
	case assignShare:
		a.current = newShare(a, m)
		select {
		case a.assigned <- a.current:
		default: // another share is still running: the agent cannot be ready for this one
		}
	default:
		if a.current != nil && a.current.run == m.Run {
			a.current.signal(m)
		}
	}
	return false
}

// work carries out the assigned shares.
func (a *agent) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case s, ok := <-a.assigned:
			if !ok {
				return a.status
			}
			if err := a.carryOut(ctx, s); err != nil {
				return err
			}
		}
	}
}

// carryOut carries out one share. It returns an error of the session, but not of the run.
func (a *agent) carryOut(ctx context.Context, s *share) error {
	var given runner.Assignment
	run, err := new(results.Run), json.Unmarshal(s.assignment, &given)
	if err == nil {
		if a.o.Reach != nil {
			a.o.Reach(&given.Cluster.Remote)
		}
		a.o.Notice("run " + given.ID)
		run, err = s.carryOut(ctx, given)
	}
	if a.status = err; err != nil {
		a.status = fmt.Errorf("run %s: %w", given.ID, err)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil && !s.reported.Load() {
		a.o.Notice(a.status.Error())
		return a.mail.post(ctx, s.run, failed, err.Error())
	}
	return a.mail.post(ctx, s.run, released, run.Warnings)
}
