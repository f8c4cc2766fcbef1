package judge

import (
	"math"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// The effect of an event compares the seconds that it touched with the whole ones before it:
// not with those of an earlier event, nor with the warm-up.
func TestScaleEffect(t *testing.T) {
	t.Parallel()
	run := &results.Run{
		Plan:       results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}},
		Operations: []results.Operation{{Op: "put", Write: true}, {Op: "get"}},
	}
	completed := []uint64{9999, 9999, 100, 100, 100, 50, 40, 100}
	intervals := func(each func(*results.Interval) error) error {
		for i, n := range completed {
			phase := "measure"
			if i < 2 {
				phase = "warmup"
			}
			one := &results.Interval{Phase: phase, Start: time.Duration(i) * time.Second, Length: time.Second, Operations: []results.Operation{
				{Phase: phase, Op: "put", Write: true, Offered: n, Completed: n}, {Phase: phase, Op: "get", Offered: 7, Completed: 7},
			}}
			one.Moments = []results.Moment{{At: one.Start + 500*time.Millisecond, Completed: 1, Longest: time.Duration(n) * time.Millisecond}}
			if err := each(one); err != nil {
				return err
			}
		}
		return nil
	}
	for _, c := range []struct {
		start, length, lead time.Duration
		before, during      float64
		stall               time.Duration
	}{
		{5200 * time.Millisecond, 1100 * time.Millisecond, 4 * time.Second, 100, 45, 50 * time.Millisecond},
		{5200 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second, 100, 50, 50 * time.Millisecond},
		{7100 * time.Millisecond, 100 * time.Millisecond, 1200 * time.Millisecond, 40, 100, 0},
		{2100 * time.Millisecond, 100 * time.Millisecond, 2 * time.Second, 0, 100, 0},
	} {
		e, err := NewScaleEffect(run, intervals, c.start, c.length, c.lead)
		if err != nil || e.Before.Throughput != c.before || e.During.Throughput != c.during || e.Stall != c.stall {
			t.Errorf("%v: %+v, %v", c.start, e, err)
		}
	}
}

// Fits need three rungs, say nothing of what a rung does not have, and end at 1.2 times the
// largest one.
func TestScaleFits(t *testing.T) {
	t.Parallel()
	s := &results.Scale{}
	for _, size := range []int64{1e6, 1e7, 1e8} {
		if fits := ScaleFits(s); len(fits) > 0 {
			t.Errorf("%d rungs: %+v", len(s.Rungs), fits)
		}
		s.Rungs = append(s.Rungs, results.ScaleRung{
			Size: size, Members: []results.ScaleMember{{File: 2 * size}},
			Events: []results.ScaleEvent{
				{Kind: results.ScaleSnapshot, Length: time.Duration(size)}, {Kind: results.ScaleKill, Length: 5, Error: "not over"},
			},
		})
	}
	fits := ScaleFits(s)
	if len(fits) != 2 || fits[0].Figure != "file" || fits[1].Figure != results.ScaleSnapshot {
		t.Fatalf("%+v", fits)
	}
	for _, f := range fits {
		slope := 1e9 // a snapshot of a nanosecond for each byte
		if f.Figure == "file" {
			slope = 2e9
		}
		if f.Exponent.Value < 0.999 || f.Exponent.Value > 1.001 || f.Reach != 1.2e8 ||
			math.Abs(f.Line.PerGB.Value/slope-1) > 1e-6 || f.Line.PerGB.Low > slope*1.001 || f.Line.PerGB.High < slope*0.999 {
			t.Errorf("%+v", f)
		}
	}
	for _, f := range ScaleFigures(s) {
		curve := ScaleCurve(s, f)
		switch {
		case f.Name == results.ScaleKill:
			if len(curve) > 0 {
				t.Errorf("%s: %+v", f.Name, curve)
			}
		case f.Name == results.ScaleSnapshot:
			first, last := curve[0], curve[len(curve)-1]
			if math.Abs(first.Size-1e6) > 1 || math.Abs(last.Size-1.2e8) > 10 || math.Abs(last.Value-1.2e8) > 1e3 ||
				last.Low > last.Value || last.High < last.Value {
				t.Errorf("%+v to %+v", first, last)
			}
		}
	}
}

// A law whose factor no document can have is left out.
func TestScaleFitsCanBeRead(t *testing.T) {
	t.Parallel()
	s := &results.Scale{}
	for i, size := range []int64{2_200_000, 3_000_000, 4_000_000} {
		s.Rungs = append(s.Rungs, results.ScaleRung{
			Size: size, Events: []results.ScaleEvent{{Kind: results.ScaleSnapshot, Length: []time.Duration{1e9, 1e7, 1e6}[i]}},
		})
	}
	if fits := ScaleFits(s); len(fits) > 0 {
		t.Errorf("%+v", fits)
	}
}
