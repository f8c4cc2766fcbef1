package workloads

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// defaultPatience is the patience of targets that set none.
const defaultPatience = 15 * time.Second

// patient returns a context for a single request of the preparation.
func (t Target) patient(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, cmp.Or(t.Patience, defaultPatience))
}

// stage is a part of the preparation with many requests. Its length is not bounded, but it
// must make progress.
type stage struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	patience time.Duration
	timer    *time.Timer
}

// begin starts a stage. Its context ends when no progress was reported for the target's
// patience. done describes the progress so far. The caller must call end.
func (t Target) begin(ctx context.Context, done func() string) *stage {
	s := &stage{patience: cmp.Or(t.Patience, defaultPatience)}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.timer = time.AfterFunc(s.patience, func() {
		s.cancel(&stalledError{fmt.Errorf("no answer for %v (%s): check that the cluster has a leader and is not overloaded",
			s.patience, done())})
	})
	return s
}

// stalledError is the error of a stage without progress.
type stalledError struct{ error }

// progress reports that a request was answered.
func (s *stage) progress() { s.timer.Reset(s.patience) }

// end ends the stage. It returns the error of its requests, or the reason of a stage without
// progress.
func (s *stage) end(err error) error {
	if stalled := s.stalled(); stalled != nil && err != nil {
		return stalled
	}
	return err
}

// stalled ends the stage, and returns an error if it made no progress.
func (s *stage) stalled() error {
	s.timer.Stop()
	defer s.cancel(nil)
	if stalled, ok := context.Cause(s.ctx).(*stalledError); ok {
		return stalled.error
	}
	return nil
}
