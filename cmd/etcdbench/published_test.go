package main

import (
	"bytes"
	"strings"
	"testing"
)

// The command plans seven rows, and refuses what the rows decide.
func TestPublished(t *testing.T) {
	t.Parallel()
	p, code, stderr := dryRun(t, []string{"run", "published", "--quick", "--members", "1"})
	if code != 0 || len(p.Runs) != 7 || !strings.Contains(string(p.Runs[0].Spec), `"total":1000`) && !strings.Contains(string(p.Runs[0].Spec), `"total": 1000`) {
		t.Fatalf("exit %d, %d runs: %s", code, len(p.Runs), stderr)
	}
	for line, want := range map[string]string{
		"--clients 7":         "leave out --clients",
		"--val-size 7":        "leave out the scenario and parameters",
		"put":                 "unknown command",
		"--format csv":        "unknown format",
		"--resume /not/there": "holds no experiment",
	} {
		var out, errs bytes.Buffer
		code := execute(t.Context(), append([]string{"run", "published"}, strings.Fields(line)...), nil, &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("run published %s: exit %d: %s, want %q", line, code, errs.String(), want)
		}
	}
}
