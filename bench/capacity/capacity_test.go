package capacity_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(workloadstest.Waiting{M: m}) }

// queue is a server whose capacity is known: Poisson arrivals, c workers with
// exponential service times, first come first served (M/M/c).
type queue struct {
	workers int
	service time.Duration // mean
}

// above is the probability of a response time above t at a rate. (L. Kleinrock,
// "Queueing Systems", volume 1, 1975, from Erlang's C formula.)
func (q queue) above(rate float64, t time.Duration) float64 {
	mu := 1 / q.service.Seconds()
	a, c := rate/mu, float64(q.workers)
	if a >= c {
		return 1
	}
	sum, term := 0.0, 1.0
	for k := range q.workers {
		sum += term
		term *= a / float64(k+1)
	}
	wait := term / (1 - a/c) / (sum + term/(1-a/c))
	m := c - 1 - a
	return math.Exp(-mu*t.Seconds()) * (1 + wait/m*(1-math.Exp(-mu*t.Seconds()*m)))
}

// capacity is the rate at which the p99 is t.
func (q queue) capacity(t time.Duration) float64 {
	low, high := 0.0, float64(q.workers)/q.service.Seconds()
	for range 60 {
		if mid := (low + high) / 2; q.above(mid, t) > 0.01 {
			high = mid
		} else {
			low = mid
		}
	}
	return low
}

// run plays a probe, after a warm-up, in no time. Its intervals are of three seconds:
// encoding their histograms takes longer than playing them.
func (q queue) run(t *testing.T, r *rand.Rand, rate float64, length time.Duration) judge.Run {
	const warm, step = 5.0, 3.0
	end := warm + length.Seconds()
	op := results.Operation{Phase: "measure", Op: "put", Write: true}
	stretches := make([]struct {
		times    []int64
		inFlight int
	}, int(math.Ceil(length.Seconds()/step)))
	at := func(time float64) int { return min(int((time-warm)/step), len(stretches)-1) }
	free := make([]float64, q.workers) // when each worker is, in rising order
	for now := r.ExpFloat64() / rate; now < end; now += r.ExpFloat64() / rate {
		done := max(now, free[0]) + r.ExpFloat64()*q.service.Seconds()
		place, _ := slices.BinarySearch(free[1:], done)
		copy(free, free[1:place+1])
		free[place] = done
		if now < warm {
			continue
		}
		for k := at(now); k < len(stretches) && warm+step*float64(k+1) < done; k++ {
			stretches[k].inFlight++
		}
		op.Offered++
		op.Completed++
		if done > end {
			op.CompletedLate++
		}
		s := &stretches[at(min(done, end))]
		s.times = append(s.times, min(int64((done-now)*1e9), results.HighestTime))
	}
	run := &results.Run{
		Schema: results.Schema, Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
		Plan: results.Plan{Phases: []results.PlanPhase{{Name: "measure", Duration: length}}}, Phases: []results.Phase{{Name: "measure", Length: length}},
	}
	var intervals []*results.Interval
	all := results.NewHistogram()
	for k, s := range stretches {
		h := results.NewHistogram()
		for _, ns := range s.times {
			_ = h.RecordValue(ns)
		}
		all.Merge(h)
		intervals = append(intervals, &results.Interval{
			Number: k, Phase: "measure", Start: time.Duration(float64(k) * step * 1e9), Length: time.Duration(step * 1e9), InFlight: s.inFlight,
			Operations: []results.Operation{{Phase: "measure", Op: "put", Completed: uint64(len(s.times)), ResponseTime: latency(t, h)}},
		})
	}
	op.ResponseTime = latency(t, all)
	run.Operations = []results.Operation{op}
	return judge.Run{Run: run, Intervals: func(each func(*results.Interval) error) error {
		for _, i := range intervals {
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

func latency(t *testing.T, h *hdrhistogram.Histogram) results.Latency {
	t.Helper()
	l, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func slo(t *testing.T, texts ...string) []judge.Threshold {
	var list []judge.Threshold
	for _, text := range texts {
		th, err := judge.ParseThreshold(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, th)
	}
	return list
}

func options(t *testing.T, seed uint64, q queue) capacity.Options {
	r := rand.New(rand.NewPCG(seed, 1))
	return capacity.Options{
		Dir: t.TempDir(), SLO: slo(t, "put.response_time.p99 < 40ms"), Start: 200, Precision: 0.03, Extensions: 3, Length: time.Minute, Soak: 3 * time.Minute, Seed: seed,
		Run: func(_ context.Context, p capacity.Probe) (judge.Run, error) {
			return q.run(t, r, p.Rate, p.Length), nil
		},
	}
}

// short is a search whose answer does not matter.
func short(t *testing.T, seed uint64, q queue) capacity.Options {
	o := options(t, seed, q)
	o.Length, o.Soak, o.Extensions, o.Precision = 20*time.Second, 0, 0, 0.1
	return o
}

var long = flag.Bool("long", false, "make ten times as many searches, and with --quick and --repeat, too")

// asked makes a search as users do: with the default options, or those of an effort. The
// queue stands for the cluster.
func (q queue) asked(t *testing.T, seed uint64, c capacity.Config) (*results.Capacity, error) {
	c.SLO, c.Sweep = []string{"put.response_time.p99 < 40ms"}, new(false)
	e, err := capacity.New(runner.Spec{}, c)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	return e.Run(t.Context(), experiment.Options{
		Dir: t.TempDir(),
		Run: func(_ context.Context, s runner.Spec, o runner.Options) (*results.Run, error) {
			run := q.run(t, r, *s.Load.Rate, *s.Load.Duration)
			dir, err := results.Create(o.Dir)
			if err != nil {
				return nil, err
			}
			return run.Run, errors.Join(dir.WriteStart(run.Run), run.Intervals(dir.WriteInterval), dir.WriteRun(run.Run), dir.Close())
		},
	}, nil)
}

// The promises of docs/capacity.md: with the default options, the interval holds the
// truth, as queueing theory has it, in at least 19 of 20 searches, and is a tenth wide
// at most in the median and a fifth in nine of ten.
func TestCapacityIsFound(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a hundred probes, one after the other: tests of real clusters want the other CPUs")
	}
	q := queue{workers: 4, service: 4 * time.Millisecond}
	truth := q.capacity(40 * time.Millisecond)
	searches, kinds := uint64(6), map[string]capacity.Config{"default": {}}
	if *long {
		searches, kinds["quick"], kinds["repeat"] = 200, capacity.Config{Effort: experiment.Quick}, capacity.Config{Repeat: new(5)}
	}
	for name, config := range kinds {
		t.Run(name, func(t *testing.T) {
			searches := searches
			if name == "repeat" {
				searches /= 10
			}
			held, below, above := uint64(0), 0, 0
			var widths, probes []float64
			for seed := range searches {
				c, err := q.asked(t, seed, config)
				if err != nil {
					t.Errorf("seed %d: %v", seed, err)
					continue
				}
				widths, probes = append(widths, c.High/c.Low-1), append(probes, float64(len(c.Probes)))
				switch {
				case c.High > 0 && truth > c.High:
					below++
				case truth < c.Low:
					above++
				default:
					held++
				}
			}
			slices.Sort(widths)
			slices.Sort(probes)
			t.Logf("%d of %d intervals hold the truth, %.0f/s; %d are below it, %d above; they are %.3f wide in the median and %.3f in nine of ten, after %.0f probes in the median",
				held, searches, truth, below, above, widths[len(widths)/2], widths[len(widths)*9/10], probes[len(probes)/2])
			promised := 0.95
			if name == "quick" { // whose bounds are those of 90 %
				promised = 0.8
			}
			if float64(held) < promised*float64(searches) || float64(above) > 0.05*float64(searches) {
				t.Errorf("only %d of %d intervals hold the truth, %d are above it", held, searches, above)
			}
			if name == "default" && (widths[len(widths)/2] > 0.1 || widths[len(widths)*9/10] > 0.2) {
				t.Errorf("the intervals are too wide: %.3f", widths)
			}
		})
	}
}

// An SLO that no load meets is said after several factors downwards.
func TestNothingSustained(t *testing.T) {
	o := short(t, 1, queue{workers: 1, service: 50 * time.Millisecond})
	o.Start, o.Length = 18, time.Minute // a p99 takes a thousand operations
	c, err := capacity.Run(t.Context(), o)
	if !errors.Is(err, capacity.ErrNothingSustained) || len(c.Probes) < 4 || len(c.Probes) > 8 ||
		!strings.Contains(err.Error(), "not even 1.125/s: put.response_time.p99 < 40ms") {
		t.Errorf("%v after %d probes", err, len(c.Probes))
	}
}

// A search whose probes are all disturbed says so, as an outage is as long at any rate.
func TestNothingSustainedBecauseOfDisturbances(t *testing.T) {
	for kind, want := range map[string]bool{"kill": true, "compaction": false} {
		o := short(t, 1, queue{workers: 1, service: 50 * time.Millisecond})
		o.Start, o.Length = 18, time.Minute
		run := o.Run
		o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
			r, err := run(ctx, p)
			r.Plan.Disturbances = []results.PlanDisturbance{{Kind: kind}}
			return r, err
		}
		_, err := capacity.Run(t.Context(), o)
		if got := strings.Contains(fmt.Sprint(err), "each probe had the disturbance kill: "); !errors.Is(err, capacity.ErrNothingSustained) || got != want {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// Rates with too few operations for the SLO are passed over on the way up; a cluster
// that never has enough is not said to sustain nothing.
func TestFewOperations(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates")
	}
	o := short(t, 1, queue{workers: 4, service: 4 * time.Millisecond})
	o.Start, o.Extensions = 1, 2
	c, err := capacity.Run(t.Context(), o)
	if err != nil || c.Low == 0 || c.High == 0 || c.Probes[0].Verdict != results.TooFew || c.Probes[1].Rate != 2 {
		t.Errorf("%.0f to %.0f, %v: %+v", c.Low, c.High, err, c.Probes)
	}
	// Where it is too much before there are enough, longer probes tell.
	o = short(t, 1, queue{workers: 1, service: 4 * time.Millisecond})
	o.Start, o.Factor, o.Extensions = 4, 64, 4
	if c, err = capacity.Run(t.Context(), o); err != nil || c.Low < 100 || c.High > 150 || c.Probes[2].Rate != 4 || c.Probes[2].Length <= o.Length {
		t.Errorf("%.0f to %.0f, %v: %+v", c.Low, c.High, err, c.Probes)
	}
	o = short(t, 1, queue{workers: 1, service: time.Millisecond})
	o.Start, o.Most, o.Extensions = 1, 2, 1
	if c, err = capacity.Run(t.Context(), o); !errors.Is(err, capacity.ErrUnclear) || len(c.Probes) != 3 {
		t.Errorf("%v: %+v", err, c.Probes)
	}
}

// One that every load meets ends at the generator's limit, and says so.
func TestGeneratorLimit(t *testing.T) {
	o := short(t, 1, queue{workers: 1000, service: time.Millisecond})
	play := o.Run
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		run, err := play(ctx, p)
		if p.Rate > 1000 {
			run.Validity = lateGenerator()
		}
		return run, err
	}
	c, err := capacity.Run(t.Context(), o)
	if err != nil || c.High != 0 || c.Low < 800 || c.Low > 1000 || !strings.Contains(c.Stopped, "it was late") {
		t.Errorf("%.0f to %.0f: %s, %v", c.Low, c.High, c.Stopped, err)
	}
	c.Target = judge.CapacityTarget(c, 500, 1)
	if c.Target.Verdict != results.TargetMet {
		t.Errorf("a target below what was sustained is %+v", c.Target)
	}
	c.Target = judge.CapacityTarget(c, 5000, 1)
	if c.Target.Verdict != results.TargetUndecided {
		t.Errorf("a target above the generator's limit is %+v", c.Target)
	}
}

// lateGenerator is the validity of a run whose generator was late.
func lateGenerator() results.Validity {
	return results.Validity{Verdict: results.Invalid, Reasons: []results.Reason{{Severity: results.Invalid, Message: "it was late"}}}
}

// A generator that is late for once is asked again; one that is late at the first rate,
// asked again, and at several lower ones says nothing of the cluster.
func TestLateGenerator(t *testing.T) {
	q := queue{workers: 4, service: 4 * time.Millisecond}
	late := func(always bool) capacity.Options {
		o := short(t, 7, q)
		o.Extensions = 2
		play := o.Run
		o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
			run, err := play(ctx, p)
			if always || p.Number%3 == 1 {
				run.Validity = lateGenerator()
			}
			return run, err
		}
		return o
	}
	c, err := capacity.Run(t.Context(), late(false))
	if err != nil || c.Stopped != "" || c.Low < 700 || c.High == 0 {
		t.Errorf("%.0f to %.0f: %s, %v", c.Low, c.High, c.Stopped, err)
	}
	c, err = capacity.Run(t.Context(), late(true))
	if err != nil || c.Low != 0 || len(c.Probes) != 3+4 || !strings.Contains(c.Stopped, "it was late") {
		t.Errorf("%.0f after %d probes: %s, %v", c.Low, len(c.Probes), c.Stopped, err)
	}
}

// Where several rates have shown that no load meets the SLO, a generator that is late below them
// does not make the result one of the generator.
func TestNoLoadMeetsTheSLOBesideALateGenerator(t *testing.T) {
	o := short(t, 7, queue{workers: 4, service: time.Second})
	play := o.Run
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		run, err := play(ctx, p)
		if p.Number > 3 {
			run.Validity = lateGenerator()
		}
		return run, err
	}
	c, err := capacity.Run(t.Context(), o)
	if !errors.Is(err, capacity.ErrNothingSustained) || c.Stopped != "" {
		t.Errorf("%v, stopped %q after %d probes", err, c.Stopped, len(c.Probes))
	}
	if answer := content.CapacityAnswer(c); answer != "no load meets it" {
		t.Errorf("answer %q", answer)
	}
}

// A probe that failed ended the search; it is made again when that goes on, and no
// other one.
func TestFailedProbeIsMadeAgain(t *testing.T) {
	o := short(t, 1, queue{workers: 4, service: 4 * time.Millisecond})
	o.Dir = filepath.Join(t.TempDir(), "search")
	play, failing, made := o.Run, 3, 0
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		made++
		run, err := play(ctx, p)
		if p.Number == failing {
			run.Outcome, err = results.Failed, errors.New("out of disk")
		}
		dir, createErr := results.Create(p.Dir)
		if createErr != nil {
			t.Fatal(createErr)
		}
		saveErr := errors.Join(dir.WriteStart(run.Run), run.Intervals(dir.WriteInterval))
		return run, errors.Join(err, saveErr, dir.WriteRun(run.Run), dir.Close())
	}
	if c, err := capacity.Run(t.Context(), o); err == nil || len(c.Probes) != 2 || made != 3 {
		t.Fatalf("%d probes of %d, %v", len(c.Probes), made, err)
	}
	failing = 0
	c, err := capacity.Run(t.Context(), o)
	if err != nil || c.High == 0 || made != 3+len(c.Probes)-2 {
		t.Errorf("%.0f to %.0f, %d probes, %d made: %v", c.Low, c.High, len(c.Probes), made, err)
	}
}

// A target above an interval is missed, unless a machine that both share was at its
// limit.
func TestTarget(t *testing.T) {
	for machine, want := range map[string]string{"": results.TargetMissed, "cluster and generator share this machine": results.TargetUndecided} {
		o := short(t, 2, queue{workers: 4, service: 4 * time.Millisecond})
		play := o.Run
		o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
			run, err := play(ctx, p)
			if machine != "" {
				run.Validity = results.Validity{Verdict: results.Degraded, Reasons: []results.Reason{{Code: "cpu-contention", Severity: results.Degraded, Message: machine}}}
			}
			return run, err
		}
		c, err := capacity.Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if c.Target = judge.CapacityTarget(c, 10_000, 1); c.Target.Verdict != want || c.Target.Reason != machine {
			t.Errorf("%q: target %+v, want %s", machine, c.Target, want)
		}
	}
}

// A sweep measures shares of the maximum, in an order that is drawn, and changes
// nothing of the answer.
func TestSweep(t *testing.T) {
	o := short(t, 3, queue{workers: 4, service: 4 * time.Millisecond})
	o.Sweep = []float64{0.1, 0.5, 1, 1.1}
	c, err := capacity.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var shares []float64
	for _, p := range c.Probes {
		if p.Stage == results.StageSweep {
			shares = append(shares, math.Round(p.Rate/c.Low*100)/100)
		}
	}
	if slices.IsSorted(shares) || len(shares) != 4 {
		t.Errorf("shares %v", shares)
	}
	curve := judge.Curve(c)
	for i := range curve[1:] {
		if curve[i].Rate >= curve[i+1].Rate {
			t.Error("the curve is not in order")
		}
	}
}

// Among whole numbers, the ends are neighbours where that is as near as they come; and
// where the load ends before the cluster does, that is said.
func TestWholeNumbers(t *testing.T) {
	q := queue{workers: 4, service: 4 * time.Millisecond}
	o := short(t, 4, q)
	play := o.Run
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		if p.Rate != math.Round(p.Rate) {
			t.Errorf("a probe at %v", p.Rate)
		}
		p.Rate *= 100
		return play(ctx, p)
	}
	o.Start, o.Whole, o.Precision = 1, true, 0.01
	c, err := capacity.Run(t.Context(), o)
	// The truth is about 875: 8 is sustained, 9 is not, or cannot be shown to be.
	if err != nil || c.Low < 7 || c.Low > 8 || c.High < 9 || c.High > 10 {
		t.Errorf("%v to %v, %v", c.Low, c.High, err)
	}
	o.Dir, o.Most = t.TempDir(), 5
	if c, err = capacity.Run(t.Context(), o); err != nil || c.Low != 5 || c.Most != 5 || c.High != 0 {
		t.Errorf("%v to %v of %v, %v", c.Low, c.High, c.Most, err)
	}
}

// A rate that failed once by chance does not end the search: where all rates above it are
// sustained, it goes on from the highest, to the limit of the load or of the cluster.
func TestFailureByChance(t *testing.T) {
	t.Parallel()
	for name, most := range map[string]float64{"up to the end of the load": 4, "up to the limit of the cluster": 0} {
		t.Run(name, func(t *testing.T) {
			o := thresholds(t, 9, 9)
			o.Start, o.Whole, o.Precision, o.Most, o.Soak = 1, true, 0.1, most, 0
			o.SLO = slo(t, "put.response_time.p50 < 40ms")
			failed := false
			o.Run = func(_ context.Context, p capacity.Probe) (judge.Run, error) {
				over := p.Rate > 9
				p.Rate *= 100
				if !failed && p.Rate == 200 || over {
					failed = true
					return steady(t, p, time.Second), nil
				}
				return steady(t, p, time.Millisecond), nil
			}
			c, err := capacity.Run(t.Context(), o)
			if err != nil || most > 0 && (c.Low != 4 || c.Most != 4 || c.Stopped == "") || most == 0 && (c.Low < 8 || c.High != 10) {
				t.Errorf("%v to %v of %v (%s), %v: %+v", c.Low, c.High, c.Most, c.Stopped, err, c.Probes)
			}
		})
	}
}

// With a member down, the search goes downwards from the maximum, and changes nothing
// of the answer.
func TestMemberDown(t *testing.T) {
	whole, less := queue{workers: 4, service: 4 * time.Millisecond}, queue{workers: 3, service: 4 * time.Millisecond}
	o := short(t, 5, whole)
	play := o.Run
	r := rand.New(rand.NewPCG(5, 2))
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		if p.MemberDown != (p.Stage == results.StageDown) {
			t.Errorf("%s with a member down: %v", p.Stage, p.MemberDown)
		}
		if p.MemberDown {
			return less.run(t, r, p.Rate, p.Length), nil
		}
		return play(ctx, p)
	}
	o.MemberDown = true
	c, err := capacity.Run(t.Context(), o)
	truth := less.capacity(40 * time.Millisecond)
	if err != nil || c.MemberDown == nil || c.MemberDown.Low > truth || c.MemberDown.Low < 0.6*truth || c.MemberDown.High > 0 && c.MemberDown.High < truth || c.MemberDown.High > c.Low+1 {
		t.Errorf("%+v, truth %.0f, maximum %.0f, %v", c.MemberDown, truth, c.Low, err)
	}
	if c.Low > whole.capacity(40*time.Millisecond) {
		t.Errorf("the maximum is %v", c.Low)
	}
}

// What others do in the cluster is in the answer.
func TestOtherClientsAreReported(t *testing.T) {
	o := short(t, 6, queue{workers: 4, service: 4 * time.Millisecond})
	play := o.Run
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		run, err := play(ctx, p)
		if p.Number == 2 {
			run.Warn(results.WarnOthers, "others write")
		}
		return run, err
	}
	c, err := capacity.Run(t.Context(), o)
	if err != nil || len(c.Warnings) != 1 || c.Warnings[0].Message != "others write" {
		t.Errorf("warnings %+v, %v", c.Warnings, err)
	}
}

// A first rate that is far too high is lowered until one is sustained, also where it is
// the generator's limit.
func TestStartIsTooHigh(t *testing.T) {
	t.Parallel()
	q := queue{workers: 4, service: 4 * time.Millisecond}
	truth := q.capacity(40 * time.Millisecond)
	for name, late := range map[string]float64{"overloaded": math.Inf(1), "late generator": 1500} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := short(t, 8, q)
			o.Start, o.Extensions = 20_000, 1
			play := o.Run
			o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
				run, err := play(ctx, capacity.Probe{Rate: min(p.Rate, 4000), Length: p.Length}) // which is as bad
				if p.Rate > late {
					run.Validity = lateGenerator()
				}
				return run, err
			}
			c, err := capacity.Run(t.Context(), o)
			if err != nil || c.Low < 0.7*truth || c.Low > truth*1.02 || c.High < 0.98*truth || c.Stopped != "" {
				t.Errorf("%.0f to %.0f (%s), truth %.0f, %v", c.Low, c.High, c.Stopped, truth, err)
			}
		})
	}
}

// thresholds searches a cluster that sustains a probe up to one rate and a soak up to
// another, without any chance in it.
func thresholds(t *testing.T, most, soak float64) capacity.Options {
	return capacity.Options{
		Dir: t.TempDir(), SLO: slo(t, "put.response_time.p99 < 40ms"), Start: 100, Precision: 0.05, Extensions: 1, Length: 10 * time.Second, Soak: 40 * time.Second,
		Run: func(_ context.Context, p capacity.Probe) (judge.Run, error) {
			took := time.Millisecond
			if p.Stage == results.StageSoak && p.Rate > soak || p.Rate > most {
				took = time.Second
			}
			return steady(t, p, took), nil
		},
	}
}

// steady is a run all of whose operations take the same time.
func steady(t *testing.T, p capacity.Probe, took time.Duration) judge.Run {
	run := &results.Run{
		Schema: results.Schema, Outcome: results.Completed, Validity: results.Validity{Verdict: results.Valid},
		Plan:   results.Plan{Phases: []results.PlanPhase{{Name: "measure", Duration: p.Length}}},
		Phases: []results.Phase{{Name: "measure", Length: p.Length}},
	}
	n := uint64(p.Rate)
	h := results.NewHistogram()
	_ = h.RecordValues(int64(took), int64(n))
	o := results.Operation{Phase: "measure", Op: "put", Write: true, Offered: n, Completed: n, ResponseTime: latency(t, h)}
	var list []*results.Interval
	var all []results.Operation
	for second := time.Duration(0); second < p.Length; second += time.Second {
		all = append(all, o)
		list = append(list, &results.Interval{Phase: "measure", Start: second, Length: time.Second, InFlight: 1, Operations: []results.Operation{o}})
	}
	sum, err := results.Sum(p.Length, all...)
	if err != nil {
		t.Fatal(err)
	}
	run.Operations = []results.Operation{sum}
	return judge.Run{Run: run, Intervals: func(each func(*results.Interval) error) error {
		for _, i := range list {
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}}
}

// sustained reports whether a search has a probe, or a soak, that sustained a rate.
func sustained(c *results.Capacity, rate float64, soak bool) bool {
	return slices.ContainsFunc(c.Probes, func(p results.CapacityProbe) bool {
		searching := p.Stage != results.StageDown && p.Stage != results.StageSweep
		return searching && p.Rate == rate && p.Verdict == results.Sustained && (p.Stage == results.StageSoak) == soak
	})
}

// What a search calls sustained, a probe and a soak at that rate sustained: also where
// the soak carries less than the probes, and where the search is interrupted.
func TestMaximumHadProbeAndSoak(t *testing.T) {
	t.Parallel()
	for _, soak := range []float64{1000, 990, 950, 900, 700, 450} {
		c, err := capacity.Run(t.Context(), thresholds(t, 1000, soak))
		if err != nil || c.Low > soak || c.Low < 0.6*soak || !sustained(c, c.Low, false) || !sustained(c, c.Low, true) {
			t.Errorf("soak up to %v: %v to %v, %v", soak, c.Low, c.High, err)
		}
		if c.High <= c.Low || c.High < soak {
			t.Errorf("soak up to %v: %v to %v", soak, c.Low, c.High)
		}
	}
	if c, err := capacity.Run(t.Context(), thresholds(t, 1000, 50)); !errors.Is(err, capacity.ErrNothingSustained) || c.Low != 0 || !strings.Contains(err.Error(), "over a soak of 40s") {
		t.Errorf("no soak is sustained: %v, %v", c.Low, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := thresholds(t, 1000, 1000)
	o.Progress = func(p capacity.Progress) {
		if p.Stage == results.StageBisect {
			cancel()
		}
	}
	if c, err := capacity.Run(ctx, o); err == nil || c.Low != 0 {
		t.Errorf("interrupted before the soak: %v, %v", c.Low, err)
	}
}

// A search whose verdicts are not monotone says so, and at which probes; one whose
// verdicts are says nothing.
func TestNotMonotone(t *testing.T) {
	t.Parallel()
	c, err := capacity.Run(t.Context(), thresholds(t, 1000, 1000))
	if err != nil || len(c.Warnings) != 0 {
		t.Errorf("%+v, %v", c.Warnings, err)
	}
	o := thresholds(t, 1000, 1000)
	o.Sweep = []float64{0.5, 0.9, 1.1}
	play := o.Run
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		if p.Stage == results.StageBisect && p.Rate > 800 && p.Rate < 1000 {
			p.Rate = 5000 // as slow as that
		}
		return play(ctx, p)
	}
	// 800 is sustained, 1,600 is not, and then the probes between 800 and 1,000 are not, but
	// those of the look beyond are.
	c, err = capacity.Run(t.Context(), o)
	if err != nil || len(c.Warnings) != 1 || c.Warnings[0].Code != results.WarnNotMonotone || !strings.Contains(c.Warnings[0].Message, "/s was overloaded (probe ") {
		t.Fatalf("%v to %v: warnings %+v, %v", c.Low, c.High, c.Warnings, err)
	}
	highest := 0.0
	for _, p := range c.Probes {
		if p.Verdict == results.Sustained {
			highest = max(highest, p.Rate)
		}
	}
	for _, p := range c.Probes {
		if want := p.Verdict == results.Overloaded && p.Rate < highest; (p.Contradicted > 0) != want {
			t.Errorf("%.0f/s was %s and is contradicted by %d", p.Rate, p.Verdict, p.Contradicted)
		} else if want && (c.Probes[p.Contradicted-1].Rate <= p.Rate || c.Probes[p.Contradicted-1].Verdict != results.Sustained) {
			t.Errorf("%.0f/s is contradicted by %+v", p.Rate, c.Probes[p.Contradicted-1])
		}
	}
}

// A target is not missed where the machine or the generator was at its limit in the
// probe that failed, in whichever stage that was; clients that wait are no such limit.
func TestTargetOfAFullMachine(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"cpu-contention": results.TargetUndecided, "cpu-steal": results.TargetUndecided, "scheduler-delay": results.TargetUndecided,
		"send-lag": results.TargetUndecided, "clients-busy": results.TargetMissed, "": results.TargetMissed,
	} {
		for _, stage := range []string{results.StageBracket, results.StageBeyond} {
			o := thresholds(t, 1000, 1000)
			play := o.Run
			o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
				run, err := play(ctx, p)
				if code != "" && p.Rate > 1000 && (p.Stage == stage || stage == results.StageBracket) {
					run.Validity = results.Validity{Verdict: results.Degraded, Reasons: []results.Reason{{Code: code, Severity: results.Degraded, Message: "it was full"}}}
				}
				return run, err
			}
			c, err := capacity.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if c.Target = judge.CapacityTarget(c, 10_000, 1); c.Target.Verdict != want || want == results.TargetUndecided && c.Target.Reason != "it was full" {
				t.Errorf("%s in %s: target %+v", code, stage, c.Target)
			}
		}
	}
}

// Each probe has what the generator says of itself.
func TestProbesNameTheGenerator(t *testing.T) {
	t.Parallel()
	o := thresholds(t, 1000, 1000)
	play := o.Run
	o.Run = func(ctx context.Context, p capacity.Probe) (judge.Run, error) {
		run, err := play(ctx, p)
		h := results.NewHistogram()
		_ = h.RecordValues(int64(300*time.Microsecond), 5000)
		run.Validity = results.Validity{
			Verdict: results.Degraded, Reasons: []results.Reason{{Code: "send-lag", Severity: results.Degraded, Message: "late"}},
			Generator: results.Generator{SendLag: latency(t, h)},
		}
		return run, err
	}
	c, err := capacity.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range c.Probes {
		if lag := time.Duration(p.SendLag); lag < 299*time.Microsecond || lag > 301*time.Microsecond || p.Validity != results.Degraded || len(p.Reasons) != 1 || p.Reasons[0].Code != "send-lag" {
			t.Errorf("probe %+v", p)
		}
	}
}
