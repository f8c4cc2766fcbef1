package runner

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/linearizability"
)

// drawViolations writes a page for each violation that has a history into the directory of the
// result.
func drawViolations(run *results.Run, dir string) {
	if run.Proof == nil {
		return
	}
	for i := range run.Proof.Violations {
		v := &run.Proof.Violations[i]
		if len(v.History) == 0 {
			continue
		}
		name := fmt.Sprintf("violation-%d.html", i+1)
		if err := drawHistory(filepath.Join(dir, name), v.History); err != nil {
			run.Warn("violation-not-drawn", err.Error())
			return
		}
		v.Page = name
	}
}

func drawHistory(path string, history []results.ProofOperation) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("draw the history of a violation: %w", err)
	}
	if err := errors.Join(linearizability.Draw(f, history), f.Close()); err != nil {
		return fmt.Errorf("draw the history of a violation: %w", err)
	}
	return nil
}
