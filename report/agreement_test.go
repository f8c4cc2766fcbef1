package report

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// outcomes is the outcomes of one kind of operation of a phase in an interval, as it was
// before anything summarised it.
type outcomes struct {
	phase, op                     string
	completed, failed, unfinished []int64
	dropped, late, inherited      uint64
	arrived                       bool
}

// figure is a figure as a format prints it.
type figure struct {
	value   float64
	atLeast bool
}

// figures are by operation and by name. One that is not resolved is left out.
type figures map[string]map[string]figure

func (f figures) set(key, name string, value float64, atLeast bool) {
	if f[key] == nil {
		f[key] = map[string]figure{}
	}
	f[key][name] = figure{value, atLeast}
}

// agreementRun is a run of all that outputs could disagree about.
type agreementRun struct {
	Document
	seconds [][]outcomes
	phases  []string // of each second
}

// The phases of the run, and their seconds.
const (
	warmSeconds, phaseSeconds = 2, 5
)

// newAgreementRun returns a run with a warm-up whose last answers come late, two measured
// phases and a drain. Of put, some fail, are dropped or do not finish, so that the p99 is
// a lower bound. Of rare, there are too few for a p99. Events arrive by themselves.
func newAgreementRun(t *testing.T) agreementRun {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 1))
	times := func(n int, from, to time.Duration) (list []int64) {
		for range n {
			list = append(list, int64(from)+r.Int64N(int64(to-from)))
		}
		return list
	}
	ms := time.Millisecond
	var a agreementRun
	second := func(phase string, list ...outcomes) {
		a.seconds, a.phases = append(a.seconds, list), append(a.phases, phase)
	}
	for range warmSeconds {
		second("warmup", outcomes{phase: "warmup", op: "put", completed: times(500, 50*ms, 100*ms)})
	}
	for k, phase := range []string{"low", "high"} {
		for n := range phaseSeconds {
			put := outcomes{phase: phase, op: "put", completed: times(1000*(k+1), ms, 10*ms), failed: times(10, ms, 5*ms), dropped: 5}
			put.unfinished = times(33*(k+1), 3*time.Second, 4*time.Second)
			if k == 0 && n == 0 {
				put.inherited = 50 // of the warm-up
			}
			list := []outcomes{
				put, {phase: phase, op: "range", completed: times(2000, 300*time.Microsecond, 600*time.Microsecond)},
				{phase: phase, op: "rare", completed: times(6, 20*ms, 40*ms)},
				{phase: phase, op: "event", completed: times(700, 200*ms, 300*ms), arrived: true},
			}
			if k == 0 && n == 0 {
				list = append(list, outcomes{phase: "warmup", op: "put", completed: times(50, 900*ms, 990*ms), late: 50})
			}
			second(phase, list...)
		}
	}
	second("drain", outcomes{
		phase: "high", op: "put", completed: times(20, 500*ms, 900*ms), late: 20, unfinished: times(3, 5*time.Second, 6*time.Second),
	})
	a.build(t)
	return a
}

// build makes the document, and saves it.
func (a *agreementRun) build(t *testing.T) {
	t.Helper()
	run := &results.Run{
		Schema: results.Schema, ID: "agreement", Outcome: results.Completed, Started: time.Date(2026, 11, 20, 10, 15, 0, 0, time.UTC),
		Plan: results.Plan{Workload: "mix", Clients: 10, Conns: 2, Phases: []results.PlanPhase{
			{Name: "warmup", Warmup: true, Load: results.Load{Rate: 500}}, {Name: "low", Load: results.Load{Rate: 1000}},
			{Name: "high", Load: results.Load{Rate: 2000}},
		}},
		Validity: results.Validity{Verdict: results.Valid, Reasons: []results.Reason{}}, Target: results.Target{Verdict: results.TargetNone},
	}
	dir, err := results.Create(filepath.Join(t.TempDir(), "agreement"))
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.WriteStart(run); err != nil {
		t.Fatal(err)
	}
	all := map[[2]string][]outcomes{}
	var order [][2]string
	for n, list := range a.seconds {
		i := &results.Interval{Number: n, Phase: a.phases[n], Start: time.Duration(n) * time.Second, Length: time.Second}
		for _, o := range list {
			key := [2]string{o.phase, o.op}
			if all[key] == nil {
				order = append(order, key)
			}
			all[key] = append(all[key], o)
			i.Operations = append(i.Operations, operationOf(t, time.Second, o))
		}
		if err := dir.WriteInterval(i); err != nil {
			t.Fatal(err)
		}
		if last := len(run.Phases) - 1; last >= 0 && run.Phases[last].Name == i.Phase {
			run.Phases[last].Length += i.Length
		} else {
			run.Phases = append(run.Phases, results.Phase{Name: i.Phase, Start: i.Start, Length: i.Length})
		}
	}
	for _, key := range order {
		run.Operations = append(run.Operations, operationOf(t, run.Length(func(phase string) bool { return phase == key[0] }), all[key]...))
	}
	if err := dir.WriteRun(run); err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	a.Document = Document{Run: run, Path: dir.Path, Intervals: func(each func(*results.Interval) error) error {
		return results.EachInterval(dir.Path, each)
	}}
}

// operationOf summarises outcomes as the engine does.
func operationOf(t *testing.T, length time.Duration, parts ...outcomes) results.Operation {
	t.Helper()
	o := results.Operation{Phase: parts[0].phase, Op: parts[0].op, Arrived: parts[0].arrived, Errors: []results.ErrorClass{}}
	response, service, failed, unfinished := results.NewHistogram(), results.NewHistogram(), results.NewHistogram(), results.NewHistogram()
	record := func(ns []int64, into ...*hdrhistogram.Histogram) {
		for _, n := range ns {
			for _, h := range into {
				if err := h.RecordValue(n); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, p := range parts {
		record(p.completed, response, service)
		record(p.unfinished, response, unfinished)
		record(p.failed, failed)
		o.Completed += uint64(len(p.completed))
		o.Failed += uint64(len(p.failed))
		o.Unfinished += uint64(len(p.unfinished))
		o.Dropped += p.dropped
		o.CompletedLate += p.late
		o.Inherited += p.inherited
	}
	o.Offered = o.Completed + o.Failed + o.Unfinished + o.Dropped
	for h, l := range map[*hdrhistogram.Histogram]*results.Latency{
		response: &o.ResponseTime, service: &o.ServiceTime, failed: &o.FailedResponseTime, unfinished: &o.UnfinishedResponseTime,
	} {
		var err error
		if *l, err = results.NewLatency(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Complete(length); err != nil {
		t.Fatal(err)
	}
	return o
}

// selected returns the outcomes of the run that of accepts.
func (a agreementRun) selected(of func(second int, o outcomes) bool) (list []outcomes) {
	for n, second := range a.seconds {
		for _, o := range second {
			if of(n, o) {
				list = append(list, o)
			}
		}
	}
	return list
}

// expect adds the figures of outcomes, from their definitions: percentiles of completed
// and unfinished operations, of which those that the bounds reach into are lower bounds.
func (f figures) expect(t *testing.T, key string, seconds float64, list []outcomes) {
	t.Helper()
	all, bounds := hdrhistogram.New(1000, int64(10*time.Minute), 3), hdrhistogram.New(1000, int64(10*time.Minute), 3)
	var inTime, bad, total float64
	for _, o := range list {
		for _, ns := range slices.Concat(o.completed, o.unfinished) {
			_ = all.RecordValue(ns)
		}
		for _, ns := range o.unfinished {
			_ = bounds.RecordValue(ns)
		}
		inTime += float64(len(o.completed)) - float64(o.late) + float64(o.inherited)
		bad += float64(len(o.failed)) + float64(len(o.unfinished)) + float64(o.dropped)
		total += float64(len(o.completed))
	}
	f.set(key, "throughput", inTime/seconds, false)
	f.set(key, "error rate", bad/(total+bad), false)
	for _, p := range []float64{50, 99} {
		v := all.ValueAtPercentile(p)
		if float64(all.TotalCount())*(100-p)/100 > 9.999 {
			f.set(key, fmt.Sprint("p", p), float64(v), bounds.TotalCount() > 0 && v >= bounds.Min())
		}
	}
}

// expected returns what every output must print: of each operation in each phase such as
// "low put", over both phases such as "put", of all that were asked for, "all", and of
// each second, such as "3 low put" and "3".
func (a agreementRun) expected(t *testing.T) figures {
	f := figures{}
	measured := func(phase string) bool { return phase == "low" || phase == "high" }
	for _, op := range []string{"put", "range", "rare", "event"} {
		for _, phase := range []string{"low", "high"} {
			f.expect(t, phase+" "+op, phaseSeconds, a.selected(func(_ int, o outcomes) bool { return o.op == op && o.phase == phase }))
		}
		f.expect(t, op, 2*phaseSeconds, a.selected(func(_ int, o outcomes) bool { return o.op == op && measured(o.phase) }))
	}
	f.expect(t, "all", 2*phaseSeconds, a.selected(func(_ int, o outcomes) bool { return !o.arrived && measured(o.phase) }))
	for n, list := range a.seconds {
		for _, o := range list {
			f.expect(t, fmt.Sprintf("%d %s %s", n, o.phase, o.op), 1, []outcomes{o})
		}
		f.expect(t, fmt.Sprint(n), 1, a.selected(func(second int, o outcomes) bool {
			return second == n && !o.arrived
		}))
	}
	return f
}

// agree compares what an output prints with what is expected: the named figures of the
// named operations, and nothing that is not resolved.
func agree(t *testing.T, output string, got, want figures, tolerance float64, names []string, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if got[key] == nil {
			t.Errorf("%s has no figures of %q", output, key)
			continue
		}
		for _, name := range names {
			g, printed := got[key][name]
			w, resolved := want[key][name]
			switch {
			case printed != resolved:
				t.Errorf("%s: %s of %q is printed: %v (%+v); resolved: %v (%+v)", output, name, key, printed, g, resolved, w)
			case math.Abs(g.value-w.value) > tolerance*math.Abs(w.value) || g.atLeast != w.atLeast:
				t.Errorf("%s: %s of %q is %+v, want %+v", output, name, key, g, w)
			}
		}
	}
}

// operations are those that formats list, and the names of figures.
var (
	listedOperations = []string{"low put", "high put", "low range", "high range", "low rare", "high rare", "low event", "high event"}
	allFigures       = []string{"p50", "p99", "throughput", "error rate"}
)

// Every output of a run prints the same p50, p99, throughput and error rate of each
// operation, marks the same ones as lower bounds, and leaves the same ones out as
// unresolved, of a run in memory and of the same one read from a file.
func TestOutputsAgree(t *testing.T) {
	a := newAgreementRun(t)
	want := a.expected(t)
	if !want["low put"]["p99"].atLeast || want["low put"]["p50"].atLeast || len(want["low rare"]) != 3 || want["low range"]["p99"].atLeast {
		t.Fatalf("the run does not have what it is for: %+v", want)
	}
	saved, err := results.Read(a.Path)
	if err != nil {
		t.Fatal(err)
	}
	read := a.Document
	read.Run = saved
	for _, f := range All() {
		var before, after bytes.Buffer
		if err := f.Write(&before, []Document{a.Document}); err != nil {
			t.Fatal(err)
		}
		if err := f.Write(&after, []Document{read}); err != nil {
			t.Fatal(err)
		}
		if before.String() != after.String() {
			t.Errorf("%s of the run differs from that of the saved run", f.Name)
		}
		parse, known := parsers[f.Name]
		if !known {
			t.Fatalf("no test of the format %s", f.Name)
		}
		t.Run(f.Name, func(t *testing.T) { parse(t, a, before.String(), want) })
	}
	t.Run("overlay", func(t *testing.T) { agreeOverlay(t, a, want) })
	t.Run("thresholds", func(t *testing.T) { agreeThresholds(t, a, want) })
	t.Run("figures", func(t *testing.T) { agreeFigures(t, a, want) })
}

// agreeThresholds reads the figures from the checks of thresholds.
func agreeThresholds(t *testing.T, a agreementRun, want figures) {
	got := figures{}
	metrics := map[string]string{
		"p50": "response_time.p50 < 1h", "p99": "response_time.p99 < 1h", "throughput": "throughput > 1/s", "error rate": "failed_ratio < 100%",
	}
	keys := slices.Concat(listedOperations, []string{"put", "range", "rare"})
	for _, key := range keys {
		for name, metric := range metrics {
			threshold, err := judge.ParseThreshold(strings.Replace(key, " ", ":", 1) + "." + metric)
			if err != nil {
				t.Fatal(err)
			}
			checks, err := judge.CheckThresholds(a.Run, []judge.Threshold{threshold}, a.Intervals)
			if err != nil {
				t.Fatal(err)
			}
			c := checks[0]
			bound := want[key][name].atLeast
			if _, resolved := want[key][name]; (c.Verdict == results.Pass) != (resolved && !bound) {
				t.Errorf("%s: %+v", threshold.Text, c)
			}
			if c.Verdict == results.Pass || c.AtLeast {
				got.set(key, name, c.Value, c.AtLeast)
			}
		}
	}
	agree(t, "thresholds", got, want, 1e-9, allFigures, keys...)
	window, err := judge.ParseThreshold("put.failed_ratio < 0.001% for every 1s window")
	if err != nil {
		t.Fatal(err)
	}
	checks, err := judge.CheckThresholds(a.Run, []judge.Threshold{window}, a.Intervals)
	if err != nil || checks[0].Windows != 2*phaseSeconds || checks[0].Failed != 2*phaseSeconds {
		t.Fatalf("windows %+v, %v", checks, err)
	}
	worst := fmt.Sprintf("%d %s put", int(checks[0].At/time.Second), a.phases[int(checks[0].At/time.Second)])
	if w := want[worst]["error rate"].value; math.Abs(checks[0].Value-w) > 1e-9 {
		t.Errorf("the worst window has an error rate of %v, want %v", checks[0].Value, w)
	}
}

// agreeFigures reads the figures of gates, histories, comparisons and capacity probes.
func agreeFigures(t *testing.T, a agreementRun, want figures) {
	rename := map[string]string{"p50": "p50", "p99": "p99", "throughput": "throughput", "error_rate": "error rate"}
	got := figures{}
	add := func(output string, values map[string]float64, atLeast map[string]bool) {
		for from, to := range rename {
			if v, ok := values[from]; ok {
				got.set("all", to, v, atLeast[from])
			}
		}
		agree(t, output, got, want, 1e-9, allFigures, "all")
		clear(got)
	}
	values, atLeast := a.BoundedFigures()
	add("figures", values, atLeast)
	round := judge.NewRound(1, a.Run, a.Run)
	add("gate", round.Candidate, round.CandidateAtLeast)
	history, skipped, err := results.History(filepath.Dir(a.Path))
	if err != nil || len(history) != 1 || len(skipped) != 0 {
		t.Fatalf("history %v, skipped %v, %v", history, skipped, err)
	}
	add("history", history[0].Values, history[0].AtLeast)

	probe := judge.NewCapacityProbe(1, results.StageBracket, 3000, 10*time.Second, a.Run)
	bounds := map[string]bool{}
	for _, name := range probe.AtLeast {
		bounds[name] = true
	}
	add("probe", map[string]float64{
		"p50": float64(probe.P50), "p99": float64(probe.P99), "throughput": probe.Achieved, "error_rate": probe.ErrorRate,
	}, bounds)
	slo, err := judge.ParseThreshold("put.response_time.p99 < 20ms")
	if err != nil {
		t.Fatal(err)
	}
	side := []judge.Run{{Run: a.Run, Intervals: judge.Intervals(a.Intervals)}}
	verdict, why, err := judge.Probe(side[0], []judge.Threshold{slo}, judge.ProbeAlpha)
	if err != nil || verdict != results.Overloaded {
		t.Errorf("the probe is %s: %s, %v", verdict, why, err)
	}
	list, err := judge.Compare(side, side)
	if err != nil {
		t.Fatal(err)
	}
	sides := [2]figures{{}, {}}
	for _, c := range list {
		if to, ok := rename[c.Metric]; ok {
			sides[0].set(c.Operation, to, c.Base, c.BaseAtLeast)
			sides[1].set(c.Operation, to, c.Candidate, c.CandidateAtLeast)
		}
		if c.Metric == "p99" && c.Operation == "put" && c.Word != results.Unresolved {
			t.Errorf("two lower bounds are compared as %s", c.Word)
		}
	}
	for _, side := range sides {
		agree(t, "comparison", side, want, 1e-9, allFigures, slices.Sorted(maps.Keys(side))...)
		agree(t, "comparison", side, want, 1e-9, allFigures, "put", "range", "rare", "event")
	}
}
