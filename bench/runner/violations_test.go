package runner

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Violations with a history have a page of their own, and name it.
func TestViolationsAreDrawn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	op := results.ProofOperation{Name: "read", Key: "/a", Sent: time.Unix(1, 0), Answered: time.Unix(2, 0), Revision: 2}
	run := &results.Run{Proof: &results.Proof{Violations: []results.Violation{{Check: "growth"}, {Check: "content", History: []results.ProofOperation{op}}}}}
	drawViolations(run, dir)
	if page := run.Proof.Violations[1].Page; page != "violation-2.html" || run.Proof.Violations[0].Page != "" || len(run.Warnings) > 0 {
		t.Errorf("page %q, warnings %v", page, run.Warnings)
	}
	if info, err := os.Stat(filepath.Join(dir, "violation-2.html")); err != nil || info.Size() < 1000 {
		t.Errorf("%v, %v", info, err)
	}
	run.Proof.Violations[1].Page = ""
	drawViolations(run, filepath.Join(dir, "missing"))
	if run.Proof.Violations[1].Page != "" || len(run.Warnings) != 1 {
		t.Errorf("warnings %v", run.Warnings)
	}
}
