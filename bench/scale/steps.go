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

// step is something that is done to the cluster beside the load. do fills in what it finds.
type step struct {
	kind string
	do   func(ctx context.Context, s *site, e *results.ScaleEvent) error
}

// sequence does steps one after the other, each after some time of undisturbed load.
type sequence struct {
	steps []step
	site  *site
	lead  time.Duration
	// most bounds each step, back how long all members may take after it until they are well.
	most, back time.Duration
	// tell is called when a step begins.
	tell   func(kind string)
	events []results.ScaleEvent
}

// sequenceKind is the kind of the disturbance that a sequence is in its run.
const sequenceKind = "steps"

// disturbance is the sequence as one of a run, which ends with it.
func (q *sequence) disturbance() bench.Disturbance {
	return bench.Disturbance{PlanDisturbance: results.PlanDisturbance{Kind: sequenceKind}, Do: q.do, EndsLoad: true}
}

// settleTime is how long a load has after a step until it counts as undisturbed, and
// outageSettleTime after one that all members were down in: what has
// arrived meanwhile is carried out late.
const settleTime, outageSettleTime = 500 * time.Millisecond, 3 * time.Second

// before is how long before a step the undisturbed load begins at most.
func before(lead time.Duration) time.Duration { return lead + min(lead, settleTime) }

// next returns when a step begins, where the one before it was over at end: after the lead,
// and where that has whole seconds, at the end of a second of the load, so that it has as
// many of these as possible. Times are from the beginning of the sequence, which is that of
// the load.
func (q *sequence) next(end time.Duration) time.Duration {
	grid := max(1, min(q.lead, time.Second))
	return (end + before(q.lead) + grid - 1) / grid * grid
}

// do does the steps. Starts are from its own beginning. After a step that leaves a member
// away, the rest is not done.
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
		e, err := q.one(ctx, s, begin)
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		q.events = append(q.events, e)
		if err != nil {
			return "", err
		}
	}
	sleep(ctx, time.Second) // the answers of the last second
	return fmt.Sprintf("%d steps", len(q.steps)), nil
}

// one does a step. Its error says that the cluster is not whole afterwards.
func (q *sequence) one(outer context.Context, s step, begin time.Time) (results.ScaleEvent, error) {
	ctx, cancel := context.WithTimeoutCause(outer, q.most, fmt.Errorf("not over after %v", q.most))
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
	wait, cancel := context.WithTimeout(outer, q.back)
	defer cancel()
	if q.site.whole(wait) != nil {
		return e, fmt.Errorf("%s: a member did not come back", s.kind)
	}
	return e, nil
}

// wholeTime is how long members have after a step until all of them are well.
const wholeTime = 30 * time.Second

// oneLine is the text of an error, which may quote a member, for a document.
func oneLine(err error) string {
	const most = 300
	text := strings.ToValidUTF8(strings.Join(strings.Fields(err.Error()), " "), "?")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// sleep reports whether it was not cut short.
func sleep(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}

// skipped is the reason for a step that is not done.
type skipped struct{ reason string }

func (s skipped) Error() string { return s.reason }

// skippable makes a step of one whose error may be that it is not done.
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
