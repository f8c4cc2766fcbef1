package report

import (
	"github.com/HdrHistogram/hdrhistogram-go"
)

// bar counts the samples up to a bound and above the bar before.
type bar struct{ to, count int64 }

// maxBars keeps a histogram on the screen.
const maxBars = 14

// coarse gathers a histogram into bars whose bounds are 1, 2, 5 times a power of
// ten nanoseconds, with empty bars between filled ones. Where that makes too many, the
// rare ones at both ends are joined, the rarer end first.
func coarse(dist []hdrhistogram.Bar) []bar {
	bounds := [...]int64{1, 2, 5}
	var bars []bar
	step, scale := 0, int64(1000)
	for _, d := range dist {
		if d.Count == 0 {
			continue
		}
		for bounds[step]*scale < d.To {
			if len(bars) > 0 && bars[len(bars)-1].to != bounds[step]*scale {
				bars = append(bars, bar{to: bounds[step] * scale})
			}
			if step++; step == len(bounds) {
				step, scale = 0, scale*10
			}
		}
		to := bounds[step] * scale
		if n := len(bars); n > 0 && bars[n-1].to == to {
			bars[n-1].count += d.Count
			continue
		}
		bars = append(bars, bar{to, d.Count})
	}
	for len(bars) > maxBars {
		if n := len(bars); bars[0].count <= bars[n-1].count {
			bars[1].count += bars[0].count
			bars = bars[1:]
		} else {
			bars[n-2] = bar{bars[n-1].to, bars[n-2].count + bars[n-1].count}
			bars = bars[:n-1]
		}
	}
	return bars
}
