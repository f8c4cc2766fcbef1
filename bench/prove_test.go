package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// findingWorkload has found a violation beside the load.
type findingWorkload struct{ fakeWorkload }

func (*findingWorkload) Verify(context.Context) (*results.Proof, error) {
	return nil, errors.New("called, though the run was stopped")
}

func (*findingWorkload) Found() *results.Proof {
	p := &results.Proof{Checks: []results.Check{{Name: "recency", Checked: 5, Of: 5}}}
	p.Violate(results.Violation{Check: "recency", Found: "an old answer"})
	return p
}

// What was found beside the load is in the result of a run that is stopped, in which nothing
// else can be proved.
func TestStoppedRunKeepsWhatWasFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(ErrInterrupted) })
		w := &findingWorkload{fakeWorkload{serve: func(ctx context.Context, _ *Op) error { return wait(ctx, 10*time.Millisecond) }}}
		plan := measurePlan(2, PlanPhase{Duration: 4 * time.Second})
		plan.Verify = true
		run, err := Run(ctx, plan, w, virtual())
		if err != nil {
			t.Fatal(err)
		}
		p := run.Proof
		if p == nil || p.Verdict != results.Violated || p.Found != 1 || len(p.Checks) != 2 || p.Checks[1].Name != "all others" || p.Checks[1].Skipped == "" {
			t.Errorf("proof %+v", p)
		}
	})
}
