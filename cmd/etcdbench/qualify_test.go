package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/qualify"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// A release check whose scenarios all have verdicts is finished by --resume: it has a
// verdict, a page and the summaries, and its exit code is that of the verdict.
func TestQualifyResumes(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[string]int{results.Pass: 0, results.Fail: exitFail, results.Inconclusive: exitInconclusive} {
		dir := t.TempDir()
		c := qualify.Config{Scenarios: []string{"put", "saturate"}}
		c.Comparison = versus.Config{Same: true, Length: time.Second, Warmup: time.Second, Rules: judge.DefaultRules()}
		c.Comparison.Baseline.Label, c.Comparison.Candidate.Label = "base", "changed"
		if err := experiment.Save(dir, experiment.Document[qualify.Config]{Kind: qualify.Kind, Options: c}); err != nil {
			t.Fatal(err)
		}
		for name, of := range map[string]string{"put": results.Pass, "saturate": verdict} {
			v := &results.Verdict{Schema: results.VerdictSchema, Gate: "ab", Verdict: of, Reason: "made up", Workload: name}
			data, err := results.Encode(v)
			if err == nil {
				err = os.MkdirAll(filepath.Join(dir, name), 0o755)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, name, results.VerdictFile), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second prints what the first has kept
			var out, errs bytes.Buffer
			code := execute(t.Context(), []string{"qualify", "--resume", dir, "--progress", "none"}, nil, &out, &errs)
			if code != want || !strings.Contains(out.String(), strings.ToUpper(verdict)) || !strings.Contains(out.String(), "changed against base, 2 scenarios") {
				t.Errorf("%s: exit %d: %s%s", verdict, code, out.String(), errs.String())
			}
		}
		for name, text := range map[string]string{
			summaryFile: "saturate", junitFile: "etcdbench.qualify.saturate", results.PageFile: "Scenarios", results.VerdictFile: `"parts"`,
		} {
			if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !strings.Contains(string(data), text) {
				t.Errorf("%s has no %q: %v", name, text, err)
			}
		}
		if saved, err := results.ReadDocument(dir); err != nil || saved.Verdict == nil || len(saved.Verdict.Parts) != 2 {
			t.Errorf("%+v %v", saved, err)
		}
	}
}

func TestQualifyRefusals(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"":                             "nothing to check",
		"--aa --candidate etcd=v3.7.3": "--aa compares the baseline with itself",
		"mine.yaml --aa":               "is neither a built-in scenario nor a workload",
		"put put --aa":                 "named twice",
		"put --aa --rounds 5":          "5 rounds cannot fail a metric",
		"put --aa --quick --thorough":  "cannot be combined",
		"put --aa --slot-duration 1ms": "must be a second or more",
		"put --aa --duration 5s":       "remove --duration",
		"put --aa --format csv":        "unknown format",
	} {
		var out, errs bytes.Buffer
		code := execute(t.Context(), append([]string{"qualify"}, strings.Fields(line)...), nil, &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("qualify %s: exit %d: %s, want %q", line, code, errs.String(), want)
		}
	}
}
