package results

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"gonum.org/v1/gonum/stat/distuv"
)

// ComparedRun is a saved run with the way to its seconds.
type ComparedRun struct {
	*Run
	Intervals func(each func(*Interval) error) error
}

// Comparison is one figure of two sides.
type Comparison struct {
	// Operation is empty for what all operations cost.
	Operation string `json:"operation,omitempty"`
	Metric    string `json:"metric"`
	Unit      string `json:"unit,omitempty"`
	Higher    bool   `json:"higher_is_better,omitempty"`
	// Base and Candidate are the medians of the runs.
	Base      float64 `json:"base"`
	Candidate float64 `json:"candidate"`
	// Change is that from base to candidate as a share, and Lower and Upper its 95 %
	// interval; without one where there is too little to tell.
	Change float64  `json:"change"`
	Lower  *float64 `json:"lower,omitempty"`
	Upper  *float64 `json:"upper,omitempty"`
	// Word is better, worse, same (within Within, a share) or unresolved.
	Word   string  `json:"word"`
	Within float64 `json:"within,omitempty"`
	// Descriptive says that the interval is that of one run's own seconds: what
	// another run of the same would give is not in it.
	Descriptive bool `json:"descriptive,omitempty"`
}

// The words of a comparison.
const (
	Better     = "better"
	Worse      = "worse"
	Same       = "same"
	Unresolved = "unresolved"
)

const (
	compareAlpha = 0.05
	// blockLength is that of the stretches whose means are taken as independent.
	blockLength = 10 * time.Second
	leastBlocks = 3
)

// Compare compares two sides of one or several runs each, operation by operation.
func Compare(base, candidate []ComparedRun) ([]Comparison, error) {
	var list []Comparison
	for _, op := range comparedOperations(base, candidate) {
		for _, m := range []struct {
			name, unit string
			p          float64
			margin     float64
		}{{"throughput", "/s", 0, 0.05}, {"p50", "ns", 50, 0.05}, {"p99", "ns", 99, 0.10}, {"p99.9", "ns", 99.9, 0.10}} {
			c := Comparison{Operation: op, Metric: m.name, Unit: m.unit, Higher: m.p == 0}
			b, err := figuresOf(base, op, m.p)
			if err != nil {
				return nil, err
			}
			d, err := figuresOf(candidate, op, m.p)
			if err != nil {
				return nil, err
			}
			if c.fill(b, d, m.margin) {
				list = append(list, c)
			}
		}
	}
	for _, m := range GateMetrics() {
		switch m.Name {
		case "throughput", "p50", "p99", "p99.9":
			continue
		}
		c := Comparison{Metric: m.Name, Unit: m.Unit}
		if c.fill(costOf(base, m.Name), costOf(candidate, m.Name), m.Margin) {
			list = append(list, c)
		}
	}
	return list, nil
}

// comparedOperations are the measured ones that every run has.
func comparedOperations(base, candidate []ComparedRun) []string {
	counts := map[string]int{}
	var order []string
	for _, r := range slices.Concat(base, candidate) {
		seen := map[string]bool{}
		for _, o := range r.Operations {
			if o.Completed > 0 && o.Of == "" && r.measures(o.Phase) && !seen[o.Op] {
				seen[o.Op] = true
				if counts[o.Op]++; counts[o.Op] == 1 {
					order = append(order, o.Op)
				}
			}
		}
	}
	return slices.DeleteFunc(order, func(op string) bool { return counts[op] < len(base)+len(candidate) })
}

// measures says whether a phase is measured.
func (r *Run) measures(phase string) bool {
	for _, ph := range r.Plan.Phases {
		if ph.Name == phase {
			return !ph.Warmup
		}
	}
	return false
}

// runFigure is a figure of one run, with half the width of its 95 % interval on a
// logarithmic scale, down and up; NaN where there is too little to tell.
type runFigure struct{ value, down, up float64 }

// fill compares two sides' figures; it tells whether there are any.
func (c *Comparison) fill(base, candidate []runFigure, margin float64) bool {
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
	shift := newTwoSampleShift(b, d, compareAlpha)
	if len(base) == 1 && len(candidate) == 1 {
		c.Descriptive = true
		// Bounds of a difference of two that do not depend on each other.
		shift.Lower = shift.Estimate - math.Hypot(base[0].up, candidate[0].down)
		shift.Upper = shift.Estimate + math.Hypot(base[0].down, candidate[0].up)
	}
	slices.Sort(b)
	slices.Sort(d)
	c.Base, c.Candidate, c.Change = math.Exp(median(b)), math.Exp(median(d)), math.Expm1(shift.Estimate)
	if math.IsNaN(shift.Lower) || math.IsNaN(shift.Upper) || math.IsInf(shift.Lower, 0) || math.IsInf(shift.Upper, 0) {
		c.Word = Unresolved
		return true
	}
	low, high := math.Expm1(shift.Lower), math.Expm1(shift.Upper)
	c.Lower, c.Upper = &low, &high
	switch widest := max(math.Abs(low), math.Abs(high)); {
	case widest <= margin:
		c.Word, c.Within = Same, widest
	case low > 0 && !c.Higher, high < 0 && c.Higher:
		c.Word = Worse
	case high < 0 && !c.Higher, low > 0 && c.Higher:
		c.Word = Better
	default:
		c.Word = Unresolved
	}
	return true
}

// costOf is what operations cost in each run; none when one does not tell.
func costOf(runs []ComparedRun, name string) []runFigure {
	var list []runFigure
	for _, r := range runs {
		v, ok := r.Figures()[name]
		if !ok || v <= 0 {
			return nil
		}
		list = append(list, runFigure{v, math.NaN(), math.NaN()})
	}
	return list
}

// figuresOf is an operation's throughput (p 0) or percentile in each run; none when
// a run does not resolve it.
func figuresOf(runs []ComparedRun, op string, p float64) ([]runFigure, error) {
	own := time.Duration(0)
	if len(runs) == 1 {
		own = blockLength
	}
	var list []runFigure
	for _, r := range runs {
		var f runFigure
		var err error
		if p == 0 {
			f, err = throughputOf(r, op, own)
		} else {
			f, err = percentileOf(r, op, p, own, compareAlpha)
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

// block is a stretch of a run's seconds.
type block struct {
	seconds   float64
	completed uint64
	times     []Latency
}

// blocks are the whole blocks of that length of a run's measured seconds; none
// where the seconds are not at hand.
func blocks(r ComparedRun, op string, length time.Duration) ([]block, error) {
	if r.Intervals == nil {
		return nil, nil
	}
	var list []block
	var b block
	err := r.Intervals(func(i *Interval) error {
		if !r.measures(i.Phase) {
			return nil
		}
		b.seconds += i.Length.Seconds()
		for _, o := range i.Operations {
			if o.Op == op && o.Phase == i.Phase {
				b.completed += o.Completed
				b.times = append(b.times, o.ResponseTime)
			}
		}
		if b.seconds >= length.Seconds()-0.05 {
			list = append(list, b)
			b = block{}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("seconds of %s: %w", r.ID, err)
	}
	return list, nil
}

// throughputOf has the interval of the means of blocks; none at length 0.
func throughputOf(r ComparedRun, op string, length time.Duration) (runFigure, error) {
	f := runFigure{down: math.NaN(), up: math.NaN()}
	var seconds, completed float64
	for _, ph := range r.Phases {
		if r.measures(ph.Name) {
			seconds += ph.Length.Seconds()
		}
	}
	for _, o := range r.Operations {
		if o.Op == op && r.measures(o.Phase) {
			completed += float64(o.Completed - o.CompletedLate)
		}
	}
	if f.value = completed / seconds; length == 0 || !(f.value > 0) {
		return f, nil
	}
	list, err := blocks(r, op, length)
	if err != nil || len(list) < leastBlocks {
		return f, err
	}
	var rates []float64
	for _, b := range list {
		rates = append(rates, float64(b.completed)/b.seconds)
	}
	mean, sd := meanAndDeviation(rates)
	half := tQuantile(1-compareAlpha/2, len(rates)-1) * sd / math.Sqrt(float64(len(rates)))
	if half < mean {
		f.down, f.up = -math.Log1p(-half/mean), math.Log1p(half/mean)
	}
	return f, nil
}

// percentileOf has Woodruff's interval: that of the share of operations at or
// below the percentile, which scatters from block to block, read back through the
// distribution. (R. S. Woodruff, "Confidence intervals for medians and other
// position measures", 1952.)
func percentileOf(r ComparedRun, op string, p float64, length time.Duration, alpha float64) (runFigure, error) {
	f := runFigure{down: math.NaN(), up: math.NaN()}
	var times []Latency
	for _, o := range r.Operations {
		if o.Op == op && r.measures(o.Phase) {
			times = append(times, o.ResponseTime)
		}
	}
	all, err := MergeLatency(times...)
	if err != nil || !all.Resolved(p) {
		return f, err
	}
	h, err := all.Histogram()
	if err != nil {
		return f, err
	}
	at := h.ValueAtPercentile(p)
	if f.value = float64(at); length == 0 {
		return f, nil
	}
	list, err := blocks(r, op, length)
	if err != nil || len(list) < leastBlocks {
		return f, err
	}
	var shares []float64
	for _, b := range list {
		merged, err := MergeLatency(b.times...)
		if err != nil {
			return f, err
		}
		bh, err := merged.Histogram()
		if err != nil {
			return f, err
		}
		if merged.Count > 0 {
			shares = append(shares, float64(countAtMost(bh, at))/float64(merged.Count))
		}
	}
	if len(shares) < leastBlocks {
		return f, nil
	}
	_, sd := meanAndDeviation(shares)
	half := 100 * tQuantile(1-alpha/2, len(shares)-1) * sd / math.Sqrt(float64(len(shares)))
	low, high := h.ValueAtPercentile(max(p-half, 0)), h.ValueAtPercentile(min(p+half, 100))
	f.down, f.up = math.Log(f.value/float64(max(low, 1))), math.Log(float64(high)/f.value)
	return f, nil
}

// countAtMost counts the samples at or below a value.
func countAtMost(h *hdrhistogram.Histogram, at int64) (n int64) {
	for _, bar := range h.Distribution() {
		if bar.From > at {
			break
		}
		n += bar.Count
	}
	return n
}

// tQuantile is that of Student's distribution.
func tQuantile(p float64, freedom int) float64 {
	return distuv.StudentsT{Sigma: 1, Nu: float64(freedom)}.Quantile(p)
}

// meanAndDeviation has the sample's standard deviation, of n−1.
func meanAndDeviation(values []float64) (mean, sd float64) {
	for _, v := range values {
		mean += v / float64(len(values))
	}
	for _, v := range values {
		sd += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(sd / float64(len(values)-1))
}
