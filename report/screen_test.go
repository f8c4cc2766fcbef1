package report

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// No line of any report is wider than the screen, and verdicts are marked.
func TestReportsFitTheScreen(t *testing.T) {
	t.Parallel()
	run := reporttest.Sample(t)
	mixed := reporttest.Mixture(t)
	for _, columns := range []int{40, 60, 80, 120} {
		var b strings.Builder
		w := Screen{Writer: &b, Columns: columns, Color: true}
		for name, err := range map[string]error{
			"run":      writeText(w, []Document{{Run: run}, {Run: mixed}}),
			"capacity": writeCapacityText(w, reporttest.CapacitySearch(t)),
			"tuning":   writeTuningText(w, reporttest.PairTuning(t)),
			"gate":     writeVerdictText(w, reporttest.GateVerdicts()["ab"]),
		} {
			if err != nil {
				t.Fatal(name, err)
			}
		}
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			if n := visible(line); n > columns && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("%d columns: a line takes %d: %q", columns, n, line)
			}
		}
		for _, want := range []string{"\x1b[31m✗ ", "\x1b[32m✓ "} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%d columns: no mark %q", columns, want)
			}
		}
	}
}

// Without colours, marks stay; to what is no screen, there are neither.
func TestMarks(t *testing.T) {
	var b, plain strings.Builder
	if err := writeVerdictText(Screen{Writer: &b, Columns: 80}, reporttest.GateVerdicts()["ab"]); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(b.String(), "✗ FAIL: ") || strings.Contains(b.String(), "\x1b") {
		t.Errorf("without colours: %q", b.String()[:40])
	}
	if err := writeVerdictText(&plain, reporttest.GateVerdicts()["ab"]); err != nil || !strings.HasPrefix(plain.String(), "FAIL: ") {
		t.Errorf("not on a screen: %v, %q", err, plain.String()[:40])
	}
}

// A histogram shows the empty bars between filled ones.
func TestHistogramHasEmptyBars(t *testing.T) {
	h, err := reporttest.Latency(t, map[time.Duration]int64{900 * time.Microsecond: 100, 45 * time.Millisecond: 3}).Histogram()
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, b := range coarse(h.Distribution()) {
		got = append(got, b.count)
	}
	// ≤ 1, 2, 5, 10, 20 and 50 ms.
	if len(got) != 6 || got[0] != 100 || got[1] != 0 || got[4] != 0 || got[5] != 3 {
		t.Errorf("bars %v", got)
	}
}

// An outcome is printed once.
func TestOutcomeIsPrintedOnce(t *testing.T) {
	run := reporttest.Sample(t)
	run.Outcome, run.Reason = results.Interrupted, "interrupted"
	var b strings.Builder
	if err := writeText(&b, []Document{{Run: run}}); err != nil || !strings.Contains(b.String(), "\nINTERRUPTED\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
