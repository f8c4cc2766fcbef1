package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
)

// CoordinatorOptions configures a coordinator.
type CoordinatorOptions struct {
	Endpoint Endpoint
	// Count is the number of agents.
	Count   int
	Version string
	// JoinTimeout bounds the wait for the agents before each run; 0 means two minutes.
	JoinTimeout time.Duration
	// Ended receives the error of an agent that this process started and that has ended; it may
	// be nil.
	Ended <-chan error
}

// A Coordinator manages the agents of a session, which carry out its runs one after the other.
type Coordinator struct {
	o       CoordinatorOptions
	client  *clientv3.Client
	session *concurrency.Session
	root    string
	cluster uint64
	all     *mailbox
	cancel  context.CancelFunc
	served  chan struct{}
	// answers counts the replies to clock requests that are waiting or in progress. Each one in
	// progress occupies a place in answering.
	answers   sync.WaitGroup
	answering chan struct{}

	mu      sync.Mutex
	members map[int]hello
	// replies holds the mailboxes to single agents.
	replies map[int]*mailbox
	current *fleet
	runs    int
	changed chan struct{}
}

var _ runner.Fleet = (*Coordinator)(nil)

// maxAnswers bounds the number of concurrent replies to clock requests. An agent sends its next
// request after a reply, so this also bounds the number of requests in progress. More of them
// would delay each other, which widens the error bounds of the clocks.
const maxAnswers = 8

// NewCoordinator opens a session that agents can join. The caller must close it.
func NewCoordinator(ctx context.Context, o CoordinatorOptions) (*Coordinator, error) {
	if o.JoinTimeout == 0 {
		o.JoinTimeout = 2 * time.Minute
	}
	client, err := o.Endpoint.connect(ctx)
	if err != nil {
		return nil, err
	}
	c := &Coordinator{
		o: o, client: client, root: root + bench.NewID(time.Now()) + "/", members: map[int]hello{}, replies: map[int]*mailbox{},
		changed: make(chan struct{}, 1), served: make(chan struct{}), answering: make(chan struct{}, maxAnswers),
	}
	c.all = &mailbox{client: client, prefix: c.root + "down/all/"}
	if err := c.open(ctx); err != nil {
		_ = client.Close()
		return nil, err
	}
	return c, nil
}

// open publishes the session and starts to read the agents' messages.
func (c *Coordinator) open(ctx context.Context) (err error) {
	if c.session, err = concurrency.NewSession(c.client, concurrency.WithTTL(leaseSeconds(c.o.Count))); err != nil {
		return fmt.Errorf("open session for agents: %w", err)
	}
	c.all.lease = c.session.Lease()
	about, err := json.Marshal(info{Version: c.o.Version, Count: c.o.Count})
	if err != nil {
		return err
	}
	r, err := c.client.Put(ctx, c.root+"info", string(about), clientv3.WithLease(c.session.Lease()))
	if err != nil {
		return fmt.Errorf("open session for agents: %w", err)
	}
	c.cluster = r.Header.ClusterId
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	c.cancel = cancel
	go c.serve(watch, c.client.Watch(watch, c.root+"up/", clientv3.WithPrefix(), clientv3.WithRev(r.Header.Revision)))
	return nil
}

// serve reads the agents' messages until the session is closed.
func (c *Coordinator) serve(ctx context.Context, up clientv3.WatchChan) {
	defer close(c.served)
	defer c.answers.Wait()
	for r := range up {
		received := time.Now()
		if err := r.Err(); err != nil && ctx.Err() == nil {
			c.failAll(fmt.Sprintf("the etcd for coordination failed: %v", err))
			return
		}
		for _, e := range r.Events {
			c.receive(ctx, e, received)
		}
	}
}

// receive handles one event: an agent joins, leaves or sends a message.
func (c *Coordinator) receive(ctx context.Context, e *clientv3.Event, at time.Time) {
	parts := strings.Split(strings.TrimPrefix(string(e.Kv.Key), c.root+"up/"), "/")
	if len(parts) < 2 {
		return
	}
	index, err := strconv.Atoi(parts[1])
	if err != nil || index < 0 || index >= c.o.Count {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
	switch {
	case parts[0] == "member" && e.Type == clientv3.EventTypePut:
		var h hello
		if json.Unmarshal(e.Kv.Value, &h) == nil {
			h.Lease = e.Kv.Lease
			c.members[index] = h
		}
	case parts[0] == "member":
		if c.current != nil {
			c.current.lose(index, c.members[index].Lease, "its lease ended: the process or its machine is gone or cannot be reached")
		}
		delete(c.members, index)
	case len(parts) == 4 && e.Type == clientv3.EventTypePut && parts[2] == strconv.FormatInt(c.members[index].Lease, 10):
		var m message
		if json.Unmarshal(e.Kv.Value, &m) != nil {
			return
		}
		if m.Kind == clockRequest {
			c.reply(ctx, index, m, at)
		} else if c.current != nil && c.current.run == m.Run {
			c.current.receive(index, c.members[index].Lease, m)
		}
	}
}

// reply answers a clock request in a goroutine of its own, because the time until a message is
// read counts as time in transit. The caller holds c.mu.
func (c *Coordinator) reply(ctx context.Context, index int, m message, at time.Time) {
	var s stamps
	if json.Unmarshal(m.Body, &s) != nil {
		return
	}
	if c.replies[index] == nil {
		c.replies[index] = &mailbox{client: c.client, prefix: fmt.Sprintf("%sdown/%d/", c.root, index), lease: c.session.Lease()}
	}
	to := c.replies[index]
	s.RequestReceived = at.UnixNano()
	c.answers.Go(func() {
		ctx, cancel := c.reachable(ctx)
		defer cancel()
		select {
		case c.answering <- struct{}{}:
			defer func() { <-c.answering }()
		case <-ctx.Done():
			return
		}
		s.AnswerSent = time.Now().UnixNano() // the wait does not count as time in transit
		_ = to.post(ctx, 0, clockReply, s)   // the agent repeats its request
	})
}

// reachable returns a context that ends when the etcd for coordination cannot be reached any
// more.
func (c *Coordinator) reachable(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(c.session.Ctx(), cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// post posts a message to all agents.
func (c *Coordinator) post(ctx context.Context, run int, k kind, body any) error {
	ctx, cancel := c.reachable(ctx)
	defer cancel()
	return c.all.post(ctx, run, k, body)
}

// wake makes waiters check their conditions again. The caller holds c.mu.
func (c *Coordinator) wake() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

func (c *Coordinator) failAll(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.wake()
	for i, h := range c.members {
		if c.current != nil {
			c.current.lose(i, h.Lease, reason)
		}
	}
	c.members = map[int]hello{}
}

// Wait waits until all agents have joined.
func (c *Coordinator) Wait(ctx context.Context) error {
	timeout := time.NewTimer(c.o.JoinTimeout)
	defer timeout.Stop()
	for {
		c.mu.Lock()
		n := len(c.members)
		c.mu.Unlock()
		if n == c.o.Count {
			return nil
		}
		select {
		case <-c.changed:
		case err := <-c.o.Ended:
			return fmt.Errorf("wait for agents: one that was started here has ended: %w", err)
		case <-c.session.Done():
			return errors.New("wait for agents: the etcd for coordination cannot be reached")
		case <-timeout.C:
			return fmt.Errorf("wait for agents: %d of %d joined within %v: %s", n, c.o.Count, c.o.JoinTimeout, c.missing())
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// missing returns the names of some of the agents that have not joined.
func (c *Coordinator) missing() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for i := range c.o.Count {
		if _, ok := c.members[i]; !ok {
			list = append(list, strconv.Itoa(i))
		}
	}
	if len(list) > 10 {
		list = append(list[:10], "…")
	}
	return "missing: " + strings.Join(list, ", ")
}

// Assign implements [runner.Fleet].
func (c *Coordinator) Assign(_ context.Context, a runner.Assignment) (runner.AssignedFleet, error) {
	if a.ClusterID == c.cluster {
		return nil, &runner.SpecError{Field: "agents", Err: errors.New(
			"--coordination-endpoints is the cluster under test, whose load would delay its coordination: use another etcd")}
	}
	if a.Plan.Agents != c.o.Count {
		return nil, fmt.Errorf("the run needs %d agents, but the session has %d", a.Plan.Agents, c.o.Count)
	}
	return &fleet{coordinator: c, assignment: a}, nil
}

// leaveTime is the time that agents have to leave when the session ends.
const leaveTime = 5 * time.Second

// Close ends the session. Connected agents then end without an error.
func (c *Coordinator) Close() {
	ctx, cancel := context.WithTimeout(c.session.Ctx(), leaveTime)
	defer cancel()
	_ = c.post(ctx, 0, endSession, nil)
	for left := true; left && ctx.Err() == nil; {
		c.mu.Lock()
		left = len(c.members) > 0
		c.mu.Unlock()
		select {
		case <-c.changed:
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	c.cancel()
	<-c.served
	_, _ = c.client.Delete(ctx, c.root, clientv3.WithPrefix())
	if c.session.Ctx().Err() == nil {
		_ = c.session.Close()
	}
	_ = c.client.Close()
}

// begin makes f the current run, with the agents that have joined.
func (c *Coordinator) begin(f *fleet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.runs++
	f.run = c.runs
	for i := range c.o.Count {
		h := c.members[i]
		f.members = append(f.members, &member{hello: h, seen: time.Now()})
		if h.Lease == 0 {
			f.members[i].failure = "it left before the run began"
		}
	}
	c.current = f
}

// ClusterID returns the ID of the etcd for coordination.
func (c *Coordinator) ClusterID() uint64 { return c.cluster }
