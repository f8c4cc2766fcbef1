package judge

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// NewScaleEffect compares the load during an event with the whole seconds before it, lead
// at most, which the caller keeps free of other events. Seconds that the event touched are
// during it.
func NewScaleEffect(run *results.Run, intervals Intervals, start, length, lead time.Duration) (*results.ScaleEffect, error) {
	writes := slices.ContainsFunc(run.Operations, func(o results.Operation) bool { return o.Write && !o.Arrived })
	var before, during someSeconds
	end := start + length
	var stall time.Duration
	err := intervals(func(i *results.Interval) error {
		for _, m := range i.Moments {
			if m.At+results.MomentLength > start && m.At < end {
				stall = max(stall, m.Longest)
			}
		}
		last := i.Start + i.Length
		switch {
		case !run.Measures(i.Phase):
		case i.Start < end && last > start:
			during.add(i, writes)
		case i.Start >= start-lead && last <= start:
			before.add(i, writes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	e := &results.ScaleEffect{Stall: stall}
	if e.Before, err = before.figures(); err == nil {
		e.During, err = during.figures()
	}
	if err != nil {
		return nil, fmt.Errorf("effect of an event: %w", err)
	}
	return e, nil
}

// someSeconds is a number of intervals with their operations.
type someSeconds struct {
	length     time.Duration
	operations []results.Operation
}

func (w *someSeconds) add(i *results.Interval, writes bool) {
	w.length += i.Length
	for _, o := range i.Asked() {
		if o.Write || !writes {
			w.operations = append(w.operations, o)
		}
	}
}

func (w *someSeconds) figures() (f results.ScaleWindow, err error) {
	if w.length == 0 {
		return f, nil
	}
	// A second's completions are its throughput, whichever phase they arrived in.
	sum, err := results.Sum(w.length, w.operations...)
	return results.ScaleWindow{
		Length: w.length, Throughput: sum.Throughput, ErrorRate: sum.ErrorRate(),
		P90: resolved(sum.Percentile(90)), P99: resolved(sum.Percentile(99)),
	}, err
}

// resolved returns the time of a percentile, or 0 if it is not resolved.
func resolved(q results.Percentile) int64 {
	if !q.Resolved {
		return 0
	}
	return int64(q.Time)
}

// NewScaleOperations returns the measured operations of a run.
func NewScaleOperations(run *results.Run) (list []results.ScaleOperation) {
	for _, o := range run.Operations {
		if !run.Measures(o.Phase) || o.Arrived {
			continue
		}
		one := results.ScaleOperation{Op: o.Op, Throughput: o.Throughput, ErrorRate: o.ErrorRate()}
		for _, q := range o.Percentiles(50, 99) {
			if q.Resolved && q.AtLeast {
				one.AtLeast = append(one.AtLeast, q.Name())
			}
		}
		one.P50, one.P99 = resolved(o.Percentile(50)), resolved(o.Percentile(99))
		list = append(list, one)
	}
	return list
}

// scaleReach is the largest size for which a fit is valid, relative to the largest measured
// size.
const scaleReach = 1.2

// ScaleFigure is one figure of a rung that a curve shows over the size.
type ScaleFigure struct {
	Name, Unit string
	// Of returns 0 if the rung does not have the figure.
	Of func(r *results.ScaleRung) float64
}

// ScaleFigures returns the figures of the rungs.
func ScaleFigures(s *results.Scale) []ScaleFigure {
	list := []ScaleFigure{
		{"file", "bytes", func(r *results.ScaleRung) float64 { return float64(r.Largest().File) }},
		{"memory", "bytes", func(r *results.ScaleRung) float64 { return float64(r.Largest().Resident) }},
	}
	var seen []string
	for _, r := range s.Rungs {
		for _, o := range r.Operations {
			if name := o.Op; !slices.Contains(seen, name) {
				seen = append(seen, name)
				list = append(list, ScaleFigure{name + " p50", "ns", func(r *results.ScaleRung) float64 {
					o, _ := r.Operation(name)
					return float64(o.P50)
				}})
			}
		}
		for _, e := range r.Events {
			if kind := e.Kind; !slices.Contains(seen, kind) {
				seen = append(seen, kind)
				list = append(list, ScaleFigure{kind, "ns", func(r *results.ScaleRung) float64 {
					e, _ := r.Event(kind)
					if results.Recovers(kind) {
						return float64(e.Redundant)
					}
					return float64(e.Length)
				}})
			}
		}
	}
	return list
}

// ScalePoint is the power law of a figure at a size in bytes, with the ends of a 95 % interval
// of the law there.
type ScalePoint struct{ Size, Value, Low, High float64 }

// curvePoints is the number of points of a curve.
const curvePoints = 40

// ScaleCurve returns the power law of a figure from the smallest size to 1.2 times the largest
// one, at sizes whose logarithms are evenly spaced. Its intervals are pointwise. It returns
// nothing for a figure that fewer than three rungs have.
func ScaleCurve(s *results.Scale, f ScaleFigure) (curve []ScalePoint) {
	x, y := scalePoints(s, f)
	law, ok := stats.FitPowerLaw(x, y, 0.05)
	if !ok {
		return nil
	}
	low, high := slices.Min(x), scaleReach*slices.Max(x)
	for i := range curvePoints {
		p := ScalePoint{Size: low * math.Pow(high/low, float64(i)/(curvePoints-1))}
		p.Value, p.Low, p.High = law.At(p.Size)
		curve = append(curve, p)
	}
	return curve
}

// scalePoints returns the sizes and the values of the rungs that have a figure.
func scalePoints(s *results.Scale, f ScaleFigure) (x, y []float64) {
	for i := range s.Rungs {
		if v := f.Of(&s.Rungs[i]); v > 0 {
			x, y = append(x, float64(s.Rungs[i].Size)), append(y, v)
		}
	}
	return x, y
}

// mostFactor bounds the factor of a power law. Values of a few sizes that lie near each other can
// have one of any size.
const mostFactor = 1e30

// gb is the unit of the size in which slopes of lines are given, in bytes.
const gb = 1e9

// ScaleFits fits power laws and lines to the figures that at least three rungs have.
func ScaleFits(s *results.Scale) (fits []results.ScaleFit) {
	for _, f := range ScaleFigures(s) {
		x, y := scalePoints(s, f)
		p, ok := stats.FitPowerLaw(x, y, 0.05)
		l, lineOK := stats.FitLine(x, y, 0.05)
		// A document with larger figures could not be read.
		if ok && lineOK && p.Factor <= mostFactor {
			fits = append(fits, results.ScaleFit{
				Figure: f.Name, Unit: f.Unit, Factor: p.Factor, Points: len(x), Reach: scaleReach * slices.Max(x),
				Exponent: results.Estimate{Value: p.Exponent, Low: p.Low, High: p.High},
				Line: &results.ScaleLine{
					Intercept: l.Intercept, PerGB: results.Estimate{Value: gb * l.Slope, Low: gb * l.Low, High: gb * l.High},
				},
			})
		}
	}
	return fits
}
