package html

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// axis maps values to places along one side of a chart.
type axis struct {
	low, high float64
	log       bool
	whole     bool    // ticks at whole numbers only
	from, to  float64 // places
}

func (a axis) place(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		v, low, high = math.Log10(max(v, a.low)), math.Log10(low), math.Log10(high)
	}
	if high <= low {
		return a.from
	}
	share := min(max((v-low)/(high-low), 0), 1)
	if math.IsNaN(share) {
		return a.from
	}
	return a.from + share*(a.to-a.from)
}

// within is the value where the axis has it, and a gap otherwise.
func (a axis) within(v float64) float64 {
	if v < a.low || v > a.high {
		return math.NaN()
	}
	return v
}

// ticks are round values along the axis, 1, 2 and 5 times powers of ten, and not
// many more than most.
func (a axis) ticks(most int) []float64 {
	most = max(most, 2)
	span := a.high - a.low
	if !(span > 0) || math.IsInf(span, 0) {
		return []float64{a.low}
	}
	if a.log && a.low > 0 {
		if list := a.logTicks(most); len(list) >= 2 {
			return list
		}
		// So near each other that none of these lies between: evenly, then.
	}
	var list []float64
	step := math.Pow(10, math.Floor(math.Log10(span/float64(most))))
	for _, m := range []float64{1, 2, 5, 10} {
		if span/(m*step) <= float64(most) {
			step *= m
			break
		}
	}
	if a.whole {
		step = max(1, math.Round(step))
	}
	// The bound is for steps that are too small to change the sum.
	for v := math.Ceil(a.low/step) * step; v <= a.high*1.0001 && len(list) <= 2*most; v += step {
		list = append(list, v)
	}
	if len(list) < 2 && !a.whole && most < 32 { // one place alone says nothing
		return a.ticks(2 * most)
	}
	return list
}

// logTicks are round values along a logarithmic axis: 1, 2 and 5 times powers of ten,
// or the powers alone where there would be more than most.
func (a axis) logTicks(most int) []float64 {
	var list []float64
	first, last := math.Floor(math.Log10(a.low)), math.Floor(math.Log10(a.high))
	for power := first; power <= last; power++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, power); v >= a.low*0.999 && v <= a.high*1.001 {
				list = append(list, v)
			}
		}
	}
	if len(list) <= most {
		return list
	}
	powers := list[:0]
	for _, v := range list {
		if l := math.Log10(v); math.Abs(l-math.Round(l)) < 1e-9 {
			powers = append(powers, v)
		}
	}
	return powers
}

func secondsLabel(v float64) string {
	d := time.Duration(v * float64(time.Second))
	if d >= 10*time.Minute {
		return fmt.Sprintf("%.4g min", d.Minutes())
	}
	return fmt.Sprintf("%.4g s", d.Seconds())
}

// ninesLabel names a percentile by its nines.
func ninesLabel(v float64) string {
	switch {
	case v == 0:
		return "0 %"
	case v == 1:
		return "90 %"
	}
	return "99" + strings.TrimSuffix("."+strings.Repeat("9", max(0, int(math.Round(v))-2)), ".") + " %"
}

// bounds are the least and the greatest of all lines, for an axis.
func bounds(lines []line, log bool) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, v := range l.value {
			if math.IsNaN(v) || math.IsInf(v, 0) || log && v <= 0 {
				continue
			}
			low, high = min(low, v), max(high, v)
		}
	}
	switch {
	case math.IsInf(low, 1):
		return 0.1, 1
	case log:
		return low * 0.9, high * 1.1
	}
	low = min(0, low)
	if high <= low {
		high = low + 1
	}
	return low, high * 1.05
}
