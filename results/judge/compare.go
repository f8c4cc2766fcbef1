package judge

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

const (
	compareAlpha = 0.05
	// blockLength is the length of stretches whose means count as independent.
	blockLength = 10 * time.Second
	leastBlocks = 3
	// maxCompared is the largest number of compared operations: each one reads all seconds of
	// all runs.
	maxCompared = 100
)

// Compare compares two sides of one or several runs each: the throughput and the response times
// of every operation that all runs have, and the costs of operations. It returns an error if
// runs used different transports.
func Compare(base, candidate []Run) ([]results.Comparison, error) {
	all := slices.Concat(base, candidate)
	for _, r := range all {
		if err := results.SameTransport(all[0].Run, r.Run); err != nil {
			return nil, err
		}
	}
	operations := comparedOperations(base, candidate)
	if n := len(operations); n > maxCompared {
		return nil, fmt.Errorf("the runs have %d operations in common: at most %d can be compared", n, maxCompared)
	}
	var list []results.Comparison
	for _, op := range operations {
		for _, m := range []struct {
			name, unit string
			p          float64
			margin     float64
		}{{"throughput", "/s", 0, 0.05}, {"p50", "ns", 50, 0.05}, {"p99", "ns", 99, 0.10}, {"p99.9", "ns", 99.9, 0.10}} {
			c := results.Comparison{Operation: op, Metric: m.name, Unit: m.unit, Higher: m.p == 0}
			b, err := figuresOf(base, op, m.p)
			if err != nil {
				return nil, err
			}
			d, err := figuresOf(candidate, op, m.p)
			if err != nil {
				return nil, err
			}
			if compareFigures(&c, b, d, m.margin) {
				list = append(list, c)
			}
		}
		c, err := compareErrors(base, candidate, op)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	for _, m := range Metrics() {
		switch m.Name {
		case "throughput", errorRate, "p50", "p99", "p99.9":
			continue
		}
		c := results.Comparison{Metric: m.Name, Unit: m.Unit}
		if compareFigures(&c, costOf(base, m.Name), costOf(candidate, m.Name), m.Margin) {
			list = append(list, c)
		}
	}
	return list, nil
}

// comparedOperations returns the measured operations that every run has.
func comparedOperations(base, candidate []Run) []string {
	counts := map[string]int{}
	var order []string
	for _, r := range slices.Concat(base, candidate) {
		seen := map[string]bool{}
		measures := results.EachOnce(r.Measures)
		for i := range r.Operations {
			if o := &r.Operations[i]; o.Ended() > 0 && o.Of == "" && measures(o.Phase) && !seen[o.Op] {
				seen[o.Op] = true
				if counts[o.Op]++; counts[o.Op] == 1 {
					order = append(order, o.Op)
				}
			}
		}
	}
	return slices.DeleteFunc(order, func(op string) bool { return counts[op] < len(base)+len(candidate) })
}

// runFigure is a figure of one run, with half the width of its 95 % interval on a logarithmic
// scale, down and up; NaN if there are too few samples.
type runFigure struct {
	value, down, up float64
	// atLeast means that the value is a lower bound.
	atLeast bool
}

// compareFigures compares the figures of two sides. It reports whether both have any.
func compareFigures(c *results.Comparison, base, candidate []runFigure, margin float64) bool {
	if len(base) == 0 || len(candidate) == 0 {
		return false
	}
	logs := func(list []runFigure) (values []float64) {
		for _, f := range list {
			values = append(values, math.Log(f.value))
		}
		return values
	}
	b, d := logs(base), logs(candidate)
	shift := stats.NewTwoSampleShift(b, d, compareAlpha)
	if len(base) == 1 && len(candidate) == 1 {
		c.Descriptive = true
		// The bounds of the difference of two independent figures.
		shift.Lower = shift.Estimate - math.Hypot(base[0].up, candidate[0].down)
		shift.Upper = shift.Estimate + math.Hypot(base[0].down, candidate[0].up)
	}
	bound := func(f runFigure) bool { return f.atLeast }
	c.BaseAtLeast, c.CandidateAtLeast = slices.ContainsFunc(base, bound), slices.ContainsFunc(candidate, bound)
	c.Base, c.Candidate, c.Change = math.Exp(stats.Median(b)), math.Exp(stats.Median(d)), math.Expm1(shift.Estimate)
	if math.IsNaN(shift.Lower) || math.IsNaN(shift.Upper) || math.IsInf(shift.Lower, 0) || math.IsInf(shift.Upper, 0) {
		c.Word = results.Unresolved
		return true
	}
	low, high := math.Expm1(shift.Lower), math.Expm1(shift.Upper)
	c.Lower, c.Upper = &low, &high
	switch widest := max(math.Abs(low), math.Abs(high)); {
	case widest <= margin:
		c.Word, c.Within = results.Same, widest
	case low > 0 && !c.Higher, high < 0 && c.Higher:
		c.Word = results.Worse
	case high < 0 && !c.Higher, low > 0 && c.Higher:
		c.Word = results.Better
	default:
		c.Word = results.Unresolved
	}
	// A lower bound shows neither that its side is as good as the other nor that it is
	// better.
	if c.CandidateAtLeast && c.Word != results.Worse || c.BaseAtLeast && c.Word != results.Better {
		c.Word, c.Within = results.Unresolved, 0
	}
	return true
}

// compareErrors compares the error rates of an operation. The change is the difference of
// the two shares. With enough runs on each side, the interval is that of the Mann–Whitney test
// between runs; otherwise it contains the intervals of all pairs of runs.
func compareErrors(base, candidate []Run, op string) (results.Comparison, error) {
	c := results.Comparison{Operation: op, Metric: errorRate, Unit: "share"}
	var sides [2][]Tried
	var rates [2][]float64
	for i, runs := range [][]Run{base, candidate} {
		for _, r := range runs {
			sum, err := r.Measured(op)
			if err != nil {
				return c, err
			}
			one := Tried{sum.Ended(), sum.NotCompleted()}
			sides[i], rates[i] = append(sides[i], one), append(rates[i], one.rate())
		}
	}
	c.Base, c.Candidate = sumTried(sides[0]).rate(), sumTried(sides[1]).rate()
	c.Change = c.Candidate - c.Base
	low, high := math.Inf(1), math.Inf(-1)
	if shift := stats.NewTwoSampleShift(rates[0], rates[1], compareAlpha); !math.IsInf(shift.Lower, 0) {
		low, high = shift.Lower, shift.Upper
	}
	if len(sides[0]) < 2 || len(sides[1]) < 2 || math.IsInf(low, 0) {
		c.Descriptive = true
		for _, b := range sides[0] {
			for _, d := range sides[1] {
				low = min(low, -shareDifferenceUpper([]Tried{d}, []Tried{b}, compareAlpha/2))
				high = max(high, shareDifferenceUpper([]Tried{b}, []Tried{d}, compareAlpha/2))
			}
		}
	}
	low, high = min(low, c.Change), max(high, c.Change)
	c.Lower, c.Upper = &low, &high
	margin := metric(errorRate).Margin
	switch widest := max(math.Abs(low), math.Abs(high)); {
	case widest <= margin, c.Base == 0 && c.Candidate == 0:
		c.Word, c.Within = results.Same, widest
	case low > 0:
		c.Word = results.Worse
	case high < 0:
		c.Word = results.Better
	default:
		c.Word = results.Unresolved
	}
	return c, nil
}

// costOf returns one cost of operations in each run, or nil if a run does not have it.
func costOf(runs []Run, name string) []runFigure {
	var list []runFigure
	for _, r := range runs {
		v, ok := r.Figures()[name]
		if !ok || v <= 0 {
			return nil
		}
		list = append(list, runFigure{value: v, down: math.NaN(), up: math.NaN()})
	}
	return list
}

// figuresOf returns an operation's throughput (p 0) or percentile in each run, or nil if a run
// does not resolve it.
func figuresOf(runs []Run, op string, p float64) ([]runFigure, error) {
	own := time.Duration(0)
	if len(runs) == 1 {
		own = blockLength
	}
	var list []runFigure
	for _, r := range runs {
		s, err := newSeries(r, op)
		if err != nil {
			return nil, err
		}
		var f runFigure
		if p == 0 {
			f, err = s.throughput(own)
		} else {
			f, err = s.percentile(p, own, compareAlpha)
		}
		if err != nil {
			return nil, err
		}
		if !(f.value > 0) {
			return nil, nil
		}
		list = append(list, f)
	}
	return list, nil
}

// series is one kind of operation in some phases of a run, as a whole and in seconds.
type series struct {
	run    Run
	sum    results.Operation
	covers func(phase string) bool
}

// newSeries returns an operation over the measured phases of a run.
func newSeries(r Run, op string) (series, error) {
	sum, err := r.Measured(op)
	return series{r, sum, r.Measures}, err
}

// blocks returns the complete blocks of that length of the operation's seconds, or nil if the
// intervals are not available.
func (s series) blocks(least time.Duration) (list []results.Operation, err error) {
	if s.run.Intervals == nil {
		return nil, nil
	}
	var block []results.Operation
	var length time.Duration
	err = s.run.Intervals(func(i *results.Interval) error {
		if !s.covers(i.Phase) {
			return nil
		}
		length += i.Length
		for _, o := range i.Operations {
			if o.Op == s.sum.Op && o.Phase == i.Phase {
				block = append(block, o)
			}
		}
		if length < least-50*time.Millisecond { // seconds are not exact
			return nil
		}
		sum, err := results.Sum(length, block...)
		list, block, length = append(list, sum), nil, 0
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("seconds of %s: %w", s.run.ID, err)
	}
	return list, nil
}

// throughput returns the operation's throughput with the interval of the means of
// blocks, or without one at length 0.
func (s series) throughput(length time.Duration) (runFigure, error) {
	f := runFigure{value: s.sum.Throughput, down: math.NaN(), up: math.NaN()}
	if length == 0 || !(f.value > 0) {
		return f, nil
	}
	list, err := s.blocks(length)
	if err != nil || len(list) < leastBlocks {
		return f, err
	}
	var rates []float64
	for _, b := range list {
		rates = append(rates, b.Throughput)
	}
	mean, half := stats.MeanInterval(rates, compareAlpha)
	if half < mean {
		f.down, f.up = -math.Log1p(-half/mean), math.Log1p(half/mean)
	}
	return f, nil
}

// percentile returns a percentile of the operation's response time with Woodruff's
// interval: see [stats.Woodruff]. Its parts of the sample are blocks of that length; at
// length 0 there is no interval.
func (s series) percentile(p float64, length time.Duration, alpha float64) (runFigure, error) {
	f := runFigure{down: math.NaN(), up: math.NaN()}
	q := s.sum.Percentile(p)
	if !q.Resolved {
		return f, nil
	}
	if f.value, f.atLeast = float64(q.Time), q.AtLeast; length == 0 {
		return f, nil
	}
	list, err := s.blocks(length)
	if err != nil || len(list) < leastBlocks {
		return f, err
	}
	var shares []float64
	for _, b := range list {
		n, err := countAtMost(b.ResponseTime, int64(q.Time))
		if err != nil {
			return f, err
		}
		if b.ResponseTime.Count > 0 {
			shares = append(shares, float64(n)/float64(b.ResponseTime.Count))
		}
	}
	if len(shares) < leastBlocks {
		return f, nil
	}
	lower, upper := stats.Woodruff(p, shares, alpha)
	ends := s.sum.ResponseTime.Percentiles(lower, upper)
	f.down, f.up = math.Log(f.value/float64(max(ends[0].Time, 1))), math.Log(float64(ends[1].Time)/f.value)
	return f, nil
}

// countAtMost counts the samples at or below a value.
func countAtMost(l results.Latency, at int64) (n int64, err error) {
	err = l.EachBucket(func(from, count int64) {
		if from <= at {
			n += count
		}
	})
	return n, err
}
