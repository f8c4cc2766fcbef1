package scale

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// step is an action on the cluster during the load. do records its findings in the event.
type step struct {
	kind string
	do   func(ctx context.Context, s *site, e *results.ScaleEvent) error
}

// sequence makes steps one after the other, each after a lead of undisturbed load.
type sequence struct {
	steps []step
	site  *site
	lead  time.Duration
	// most bounds each step. recovery bounds the time after it until all members are healthy.
	most, recovery time.Duration
	// tell is called when a step begins.
	tell   func(kind string)
	events []results.ScaleEvent
}

// sequenceKind is the kind of a sequence as a disturbance.
const sequenceKind = "steps"

// disturbance returns the sequence as a disturbance, which ends the load of its run.
func (q *sequence) disturbance() bench.Disturbance {
	return bench.Disturbance{PlanDisturbance: results.PlanDisturbance{Kind: sequenceKind}, Do: q.do, EndsLoad: true}
}

// settleTime is the time after a step until the load counts as undisturbed. outageSettleTime is
// that time after a step during which all members were down, when the operations that have
// arrived meanwhile are carried out late.
const settleTime, outageSettleTime = 500 * time.Millisecond, 3 * time.Second

// undisturbedTime returns the longest time of undisturbed load before a step.
func undisturbedTime(lead time.Duration) time.Duration { return lead + min(lead, settleTime) }

// next returns when a step begins if the previous one was over at end. If the lead has whole
// seconds, it is at the end of a second of the load, so that the lead contains as many complete
// seconds as possible. Times count from the beginning of the sequence, which is that of the
// load.
func (q *sequence) next(end time.Duration) time.Duration {
	grid := max(1, min(q.lead, time.Second))
	return (end + undisturbedTime(q.lead) + grid - 1) / grid * grid
}

// do makes the steps. Starts count from its own beginning. It stops after a step after which a
// member does not recover.
func (q *sequence) do(ctx context.Context) (string, error) {
	begin := time.Now()
	for i, s := range q.steps {
		now := time.Since(begin)
		undisturbed := now
		if i > 0 && q.steps[i-1].kind == results.ScaleClusterRestart {
			undisturbed += min(3*q.lead, outageSettleTime)
		}
		if !sleep(ctx, q.next(undisturbed)-now) {
			return "", context.Cause(ctx)
		}
		q.tell(s.kind)
		e, err := q.runStep(ctx, s, begin)
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		q.events = append(q.events, e)
		if err != nil {
			return "", err
		}
	}
	sleep(ctx, time.Second) // wait for the answers of the last second
	return fmt.Sprintf("%d steps", len(q.steps)), nil
}

// runStep makes a step. It returns an error if the cluster is not healthy afterwards.
func (q *sequence) runStep(outer context.Context, s step, begin time.Time) (results.ScaleEvent, error) {
	ctx, cancel := context.WithTimeoutCause(outer, q.most, fmt.Errorf("not finished after %v", q.most))
	defer cancel()
	memory, stop := watchMemory(ctx, q.site)
	e := results.ScaleEvent{Kind: s.kind, Start: time.Since(begin)}
	err := s.do(ctx, q.site, &e)
	e.Length = time.Since(begin) - e.Start
	stop()
	e.Peak = memory.peak(q.site)
	if err != nil {
		e.Error = oneLine(err)
	}
	wait, cancel := context.WithTimeout(outer, q.recovery)
	defer cancel()
	if q.site.awaitHealthy(wait) != nil {
		return e, fmt.Errorf("%s: a member did not come back", s.kind)
	}
	return e, nil
}

// healthyTimeout is the time after a step within which all members must be healthy.
const healthyTimeout = 30 * time.Second

// oneLine returns the text of an error, which may contain a member's text, in one line for a
// document.
func oneLine(err error) string {
	const most = 300
	text := strings.ToValidUTF8(strings.Join(strings.Fields(err.Error()), " "), "?")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// sleep waits, and reports whether it waited for the full length.
func sleep(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}

// skipped is the error of a step that was not made.
type skipped struct{ reason string }

func (s skipped) Error() string { return s.reason }

// skippable returns a step whose error may be [skipped].
func skippable(kind string, do func(ctx context.Context, s *site, e *results.ScaleEvent) error) step {
	return step{kind, func(ctx context.Context, s *site, e *results.ScaleEvent) error {
		err := do(ctx, s, e)
		if reason, ok := errors.AsType[skipped](err); ok {
			e.Skipped = reason.reason
			return nil
		}
		return err
	}}
}
