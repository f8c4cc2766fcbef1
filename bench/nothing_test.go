package bench

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// provingWorkload finds nothing wrong, whatever happens.
type provingWorkload struct{ *fakeWorkload }

func (provingWorkload) Verify(context.Context) (*results.Proof, error) {
	return &results.Proof{Checks: []results.Check{{Name: "keys"}}}, nil
}

// Where nothing was completed, nothing is proved.
func TestNothingIsProvedOfNothing(t *testing.T) {
	for want, err := range map[string]error{results.Proved: nil, results.Incomplete: errors.New("no")} {
		synctest.Test(t, func(t *testing.T) {
			w := &fakeWorkload{serve: func(ctx context.Context, _ *Op) error { return errors.Join(wait(ctx, time.Millisecond), err) }}
			plan := measurePlan(1, PlanPhase{Total: 5})
			plan.Verify = true
			run, runErr := Run(t.Context(), plan, provingWorkload{w}, virtual())
			if runErr != nil || run.Proof.Verdict != want {
				t.Errorf("%v, %s, want %s", runErr, run.Proof.Verdict, want)
			}
		})
	}
}
