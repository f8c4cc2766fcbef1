package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// member is the coordinator's state of one agent in one run. The coordinator's lock guards it.
type member struct {
	hello
	ready   bool
	drained bool
	// steered is the number of steering messages that the agent has applied.
	steered  int
	released bool
	// left is the reason why an agent that has handed over its result has ended. It is empty
	// while the agent runs.
	left     string
	warnings []results.Warning
	// failure is the reason why the agent does not finish its share. It is empty while it may.
	failure string
	seen    time.Time
	offset  offset
	drift   time.Duration
	// waiting holds the intervals that were not merged yet. offered counts the requested
	// operations of all other intervals. measured and acknowledged count those of measured
	// phases.
	waiting      []*results.Interval
	offered      uint64
	measured     uint64
	acknowledged uint64
	run          *results.Run
	evidence     []byte
}

// over reports whether the agent sends nothing more.
func (m *member) over() bool { return m.run != nil || m.failure != "" }

// fleet is one run of the coordinator's agents.
type fleet struct {
	coordinator *Coordinator
	assignment  runner.Assignment
	run         int
	members     []*member
	stopped     bool
	// ended says that the load ended early, as planned.
	ended bool

	// steering guards steers, the number of steering messages.
	steering sync.Mutex
	steers   int
}

const (
	// startLead is the time between the notice of the load's start and the start. startLeadEach is added
	// for each agent. A late notice fails the run, so the time allows for a process or a
	// network that stalls for most of a second.
	startLead     = time.Second
	startLeadEach = time.Millisecond
	// silence is the time without a message under load after which an agent counts as lost, in
	// addition to the time between its messages.
	silence = 10 * time.Second
	// finishTime is the time that agents have to hand over their results, in addition to the
	// drain.
	finishTime = time.Minute
	// maxEvidence bounds the evidence of one agent in bytes.
	maxEvidence = 1 << 30
)

// lose records the loss of an agent. The caller holds the coordinator's lock.
func (f *fleet) lose(index int, lease int64, reason string) {
	switch m := f.members[index]; {
	case m.Lease != lease:
	case m.over():
		m.left = reason
	default:
		m.failure = reason
	}
}

// receive handles a message of an agent. The caller holds the coordinator's lock.
func (f *fleet) receive(index int, lease int64, msg message) {
	m := f.members[index]
	if m.Lease != lease || m.failure != "" {
		return
	}
	m.seen = time.Now()
	if err := m.receive(msg); err != nil && m.run == nil {
		m.failure = fmt.Sprintf("its message %q cannot be read: %v", msg.Kind, err)
	}
}

func (m *member) receive(msg message) error {
	switch msg.Kind {
	case shareReady:
		var b readyBody
		if err := json.Unmarshal(msg.Body, &b); err != nil {
			return err
		}
		m.ready, m.offset = true, b.Offset
	case intervals:
		var list []*results.Interval
		if err := json.Unmarshal(msg.Body, &list); err != nil {
			return err
		}
		for _, i := range list {
			if i == nil {
				return errors.New("an interval is missing")
			}
		}
		m.waiting = append(m.waiting, list...)
	case drained:
		m.drained = true
	case steered:
		m.steered++
	case evidence:
		var part []byte
		if err := json.Unmarshal(msg.Body, &part); err != nil {
			return err
		}
		if len(m.evidence)+len(part) > maxEvidence {
			return fmt.Errorf("it has more than %d bytes", maxEvidence)
		}
		m.evidence = append(m.evidence, part...)
	case report:
		return m.takeReport(msg.Body)
	case failed:
		var reason string
		_ = json.Unmarshal(msg.Body, &reason)
		m.failure = "it failed: " + results.Clip(reason) // for a reason that is too long
		if len(reason) < 1000 {
			m.failure = "it failed: " + reason
		}
	case released:
		m.released = true
		return json.Unmarshal(msg.Body, &m.warnings)
	}
	return nil
}

// all reports whether a condition holds for all agents that have not failed, and returns the
// failures of the others.
func (f *fleet) all(is func(m *member) bool) (yes bool, failures error) {
	f.coordinator.mu.Lock()
	defer f.coordinator.mu.Unlock()
	yes = true
	var errs []error
	for i, m := range f.members {
		switch {
		case m.failure != "":
			errs = append(errs, fmt.Errorf("agent %d on %s: %s", i, m.Host, m.failure))
		case !is(m):
			yes = false
		}
	}
	if len(errs) > 3 {
		errs = append(errs[:3], fmt.Errorf("and %d other agents", len(errs)-3))
	}
	return yes, errors.Join(errs...)
}

// Start implements [bench.Fleet].
func (f *fleet) Start(ctx context.Context, handover []byte) (time.Time, error) {
	c := f.coordinator
	if err := c.Wait(ctx); err != nil {
		return time.Time{}, err
	}
	c.begin(f)
	a := f.assignment
	a.Handover = handover
	if err := c.post(ctx, f.run, assignShare, a); err != nil {
		return time.Time{}, err
	}
	timeout := time.NewTimer(c.o.JoinTimeout)
	defer timeout.Stop()
	for {
		ready, err := f.all(func(m *member) bool { return m.ready })
		if err != nil {
			f.stop(ctx, errors.New("another agent did not become ready"))
			return time.Time{}, err
		}
		if ready {
			break
		}
		select {
		case <-c.changed:
		case <-timeout.C:
			f.stop(ctx, errors.New("not all agents became ready in time"))
			return time.Time{}, fmt.Errorf("not all agents became ready within %v", c.o.JoinTimeout)
		case <-ctx.Done():
			f.stop(ctx, context.Cause(ctx))
			return time.Time{}, context.Cause(ctx)
		}
	}
	at := time.Now().Add(startLead + time.Duration(len(f.members))*startLeadEach)
	return at, c.post(ctx, f.run, startLoad, at.UnixNano())
}

// stop makes every agent end its load.
func (f *fleet) stop(ctx context.Context, cause error) {
	if !f.stopped {
		f.stopped, f.ended = true, errors.Is(cause, bench.ErrLoadEnded)
		_ = f.coordinator.post(context.WithoutCancel(ctx), f.run, stopLoad, newStop(cause))
	}
}

// Load implements [bench.Fleet].
func (f *fleet) Load(ctx context.Context, each func(*results.Interval)) error {
	c := f.coordinator
	merged := newAligner(f.assignment.Plan, len(f.members))
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	interrupted, cutOff := ctx.Done(), c.session.Done()
	drainAnnounced := false
	var deadline time.Time // of the steps after the load
	for {
		f.listen()
		if err := f.merge(merged, each); err != nil {
			f.stop(ctx, errors.New("the coordinator cannot merge the measurements"))
			return err
		}
		isDrained, failures := f.all(func(m *member) bool { return m.drained })
		if failures != nil && !f.assignment.Continue {
			f.stop(ctx, errors.New("another agent was lost"))
		}
		if isDrained && !drainAnnounced {
			drainAnnounced, deadline = true, time.Now().Add(finishTime)
			if err := c.post(context.WithoutCancel(ctx), f.run, allDrained, nil); err != nil {
				return errors.Join(failures, err)
			}
		}
		if f.stopped && deadline.IsZero() {
			deadline = time.Now().Add(f.assignment.Plan.Drain + finishTime)
		}
		if done, _ := f.all((*member).over); done {
			return errors.Join(failures, f.merge(merged, each))
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			f.giveUp("it did not send its results in time")
		}
		select {
		case <-c.changed:
		case <-ticker.C:
		case <-interrupted:
			f.stop(ctx, context.Cause(ctx))
			interrupted = nil
		case <-cutOff:
			c.failAll("the etcd for coordination cannot be reached")
			cutOff = nil
		}
	}
}

// listen marks the agents as failed that have been silent for too long under load.
func (f *fleet) listen() {
	f.coordinator.mu.Lock()
	defer f.coordinator.mu.Unlock()
	limit := silence + bench.PublishTime(len(f.members)) - time.Second
	for _, m := range f.members {
		if quiet := time.Since(m.seen); !m.over() && !m.drained && quiet > limit {
			m.failure = fmt.Sprintf("it sent no measurements for %v", limit)
		}
	}
}

// giveUp marks all agents as failed that are not over.
func (f *fleet) giveUp(reason string) {
	f.coordinator.mu.Lock()
	defer f.coordinator.mu.Unlock()
	for _, m := range f.members {
		if !m.over() {
			m.failure = reason
		}
	}
}

// merge takes the agents' intervals since the last call, and passes on the complete seconds.
func (f *fleet) merge(a *aligner, each func(*results.Interval)) error {
	f.coordinator.mu.Lock()
	for i, m := range f.members {
		for _, interval := range m.waiting {
			if err := a.add(i, interval); err == nil {
				m.count(f.assignment.Plan, interval)
			} else if m.failure == "" {
				m.failure, m.run = fmt.Sprintf("its measurements cannot be used: %v", err), nil
			}
		}
		m.waiting = nil
		if m.over() {
			a.end(i)
		}
	}
	f.coordinator.mu.Unlock()
	list, err := a.take()
	for _, i := range list {
		each(i)
	}
	return err
}

// Release implements [bench.Fleet].
func (f *fleet) Release(ctx context.Context) []results.Warning {
	c := f.coordinator
	if f.run == 0 {
		return nil
	}
	_ = c.post(context.WithoutCancel(ctx), f.run, release, nil) // even if there is no time to wait for the replies
	ctx, cancel := c.reachable(ctx)
	defer cancel()
	for {
		if complete, _ := f.all(func(m *member) bool { return m.released || m.left != "" }); complete || ctx.Err() != nil {
			break
		}
		select {
		case <-c.changed:
		case <-ctx.Done():
		}
	}
	_, _ = c.client.Delete(ctx, c.root+"up/from/", clientv3.WithPrefix())
	return f.warnings()
}
