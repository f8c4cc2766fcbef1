package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// prove checks whether the cluster still awaitAnswer, and then has the workload make the proof, if
// one was requested. It returns an error if the cluster does not answer: the run has failed
// then.
func (e *engine) prove(ctx context.Context) error {
	if ctx.Err() != nil {
		e.setNotProved("the run was stopped: " + context.Cause(ctx).Error())
		return nil
	}
	if err := e.awaitAnswer(ctx); err != nil && ctx.Err() == nil {
		e.setNotProved(err.Error())
		return err
	}
	return e.verify(ctx)
}

// announceAfter is the length of the wait for an answer after which it is shown to the
// observers.
const announceAfter = time.Second

// awaitAnswer waits until the cluster answers.
func (e *engine) awaitAnswer(ctx context.Context) error {
	a, ok := e.workload.(Answerer)
	if !ok {
		return nil
	}
	announce := time.AfterFunc(announceAfter, func() { e.observers.stage("waiting for the cluster to answer") })
	defer announce.Stop()
	return a.Answers(ctx)
}

// verifier returns the workload if a proof was requested and the workload can make one.
func (e *engine) verifier() (Verifier, bool) {
	v, ok := e.workload.(Verifier)
	return v, ok && e.plan.Verify
}

// setNotProved sets a proof whose remaining checks were skipped for the given reason. It
// contains the violations that were found beside the load.
func (e *engine) setNotProved(reason string) {
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
