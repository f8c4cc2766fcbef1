package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/etcdbench/etcdbench/results"
)

func progressOf(t *testing.T, style ProgressStyle) string {
	t.Helper()
	h := results.NewHistogram()
	for range 100 {
		if err := h.RecordValue(int64(2 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	p := NewProgress(&b, style, 60)
	run := &results.Run{Plan: measurePlan(1, PlanPhase{Duration: 20 * time.Second})}
	if err := p.Start(run); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		err := p.Interval(&results.Interval{
			Number: i, Phase: "measure", Start: time.Duration(i) * time.Second, Length: time.Second, InFlight: 3,
			Events:     []results.Event{{Kind: "compaction", Start: time.Duration(i)*time.Second + time.Millisecond, Detail: "to revision 7", Error: "ended early"}}[:max(0, i-3)],
			Operations: []results.Operation{{Phase: "measure", Op: "put", Offered: 101, Completed: 100, Failed: 1, Throughput: 100, ResponseTime: l}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	p.Stage("verifying acknowledged operations")
	if err := p.Finish(run); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestProgress(t *testing.T) {
	if got, want := progressOf(t, ProgressPlain), "measure 4s: compaction to revision 7: ended early\nmeasure 5s: 100/s, p50 2ms, p99 ?, errors 5  15s left\nverifying acknowledged operations\n"; got != want {
		t.Errorf("plain: %q, want %q", got, want)
	}
	lines := strings.Split(strings.TrimSpace(progressOf(t, ProgressJSON)), "\n")
	want := `{"n":4,"phase":"measure","start_ns":4000000000,"length_ns":1000000000,"in_flight":3,"queued":0,"operations":[{"phase":"measure","op":"put","offered":101,"completed":100,"failed":1,"dropped":0,"unfinished":0,"throughput":100,"error_rate":0.009900990099009901,"p50_ns":2000895,"max_ns":2000895}]}`
	if len(lines) != 5 || lines[4] != want {
		t.Errorf("json: %d lines, the last is %s, want %s", len(lines), lines[len(lines)-1], want)
	}
	bar := strings.Split(progressOf(t, ProgressBar), "\r\x1b[K")
	// The gauge gives way to the figures.
	if last := bar[len(bar)-3]; last != "measure 25% 100/s  p50 2ms  p99 ?  errors 5  15s left" {
		t.Errorf("bar: %q is not a quarter done within 60 columns", last)
	}
	if last := bar[len(bar)-3]; utf8.RuneCountInString(last) >= 60 {
		t.Errorf("bar: %q is wider than the terminal", last)
	}
	if bar[len(bar)-1] != "" {
		t.Errorf("bar: the line is not cleared at the end: %q", bar[len(bar)-1])
	}
	if got := progressOf(t, ProgressNone); got != "" {
		t.Errorf("none: %q", got)
	}
}
