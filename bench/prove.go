package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// prove finds out whether the cluster still answers, and has the workload prove its
// writes where that was asked for. It returns an error where the cluster does not answer
// any more: the run has failed then.
func (e *engine) prove(ctx context.Context) error {
	if ctx.Err() != nil {
		e.notProved("the run was stopped: " + context.Cause(ctx).Error())
		return nil
	}
	if err := e.answers(ctx); err != nil && ctx.Err() == nil {
		e.notProved(err.Error())
		return err
	}
	return e.verify(ctx)
}

// announceAfter is how long the wait for an answer goes on without a word.
const announceAfter = time.Second

// answers waits until the cluster answers.
func (e *engine) answers(ctx context.Context) error {
	a, ok := e.workload.(Answerer)
	if !ok {
		return nil
	}
	announce := time.AfterFunc(announceAfter, func() { e.observers.stage("waiting for the cluster to answer") })
	defer announce.Stop()
	return a.Answers(ctx)
}

// verifier is the workload where a proof was asked for and it can make one.
func (e *engine) verifier() (Verifier, bool) {
	v, ok := e.workload.(Verifier)
	return v, ok && e.plan.Verify
}

// notProved is the proof that could not be made, with what was found beside the load.
func (e *engine) notProved(reason string) {
	v, ok := e.verifier()
	if !ok {
		return
	}
	proof, name := &results.Proof{}, "all"
	if f, ok := v.(Finder); ok {
		proof = f.Found()
	}
	if len(proof.Checks) > 0 {
		name = "all others"
	}
	proof.Checks = append(proof.Checks, results.Check{Name: name, Skipped: reason})
	proof.Judge()
	e.run.Proof = proof
}

// verify makes the proof.
func (e *engine) verify(ctx context.Context) error {
	v, ok := e.verifier()
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	e.observers.stage("verifying acknowledged operations")
	proof, err := v.Verify(ctx)
	if proof == nil {
		proof = &results.Proof{}
	}
	if err != nil {
		proof.Checks = append(proof.Checks, results.Check{Name: "all", Skipped: err.Error()})
		err = fmt.Errorf("proof: %w", err)
	}
	if !slices.ContainsFunc(e.run.Operations, func(o results.Operation) bool { return o.Completed > 0 }) {
		proof.Checks = append(proof.Checks, results.Check{Name: "all", Skipped: "no operation completed"})
	}
	proof.Judge()
	e.run.Proof = proof
	return err
}
