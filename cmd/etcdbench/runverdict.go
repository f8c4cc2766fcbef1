package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// verdict turns a result into an exit code.
func (o *runOptions) verdict(run *results.Run) error {
	var completed uint64
	example := ""
	for _, op := range run.Operations {
		completed += op.Completed
		if len(op.Errors) > 0 {
			example = ": " + op.Errors[0].Example
		}
	}
	switch {
	case run.Outcome == results.Interrupted:
		return exitError{exitInterrupted, errors.New("interrupted: the result holds what was measured until then")}
	case run.Proof != nil && run.Proof.Verdict == results.Violated:
		return exitError{exitFail, fmt.Errorf("what etcd acknowledged is not what it holds: see proof above, violations: %d", run.Proof.Found)}
	case completed == 0:
		return fmt.Errorf("no operation succeeded%s", example)
	case run.Validity.Verdict == results.Invalid:
		return exitError{exitInvalid, errors.New("the measurement is invalid: the generator, not etcd, was the limit (see validity above)")}
	case o.given["target"] && run.Target.Verdict == results.TargetMissed:
		return exitError{exitFail, fmt.Errorf("target missed: %.0f of %.0f writes/s", run.Target.Achieved, run.Target.Writes)}
	case o.given["target"] && run.Target.Verdict == results.TargetUndecided:
		return exitError{exitInconclusive, fmt.Errorf("target undecided: %s", run.Target.Reason)}
	}
	return nil
}

// judge compares the run with its thresholds and keeps the verdict beside it.
func (o *runOptions) judge(run *results.Run, path string, stderr io.Writer) error {
	v, err := thresholdVerdict(run, nil, document(run, path).Intervals)
	if err != nil {
		return usage(err)
	}
	data, err := results.Encode(v)
	if err == nil {
		err = os.WriteFile(filepath.Join(path, verdictFile), data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("save verdict: %w", err)
	}
	text, err := report.Verdicts().Find("text")
	if err != nil {
		return err
	}
	return errors.Join(text.Write(stderr, v), verdictError(v))
}
