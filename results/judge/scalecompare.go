package judge

import (
	"math"
	"slices"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// ScaleRatio compares one figure on the rungs of one size.
type ScaleRatio struct {
	Figure string `json:"figure"`
	Unit   string `json:"unit"`
	Size   int64  `json:"size_bytes"`
	// Base and Candidate are the medians of the ladders of each side, Ratio the candidate's
	// figure divided by the base's.
	Base      float64 `json:"base"`
	Candidate float64 `json:"candidate"`
	Ratio     float64 `json:"ratio"`
	// Low and High are the ends of the ratio's 95 % interval, between ladders; nil where there
	// are too few ladders.
	Low  *float64 `json:"low,omitempty"`
	High *float64 `json:"high,omitempty"`
}

// CompareScales compares two sides of one or several ladders each, figure by figure, on the
// rungs whose amount of data all ladders have. The interval is that of the Mann–Whitney
// test on logarithms.
func CompareScales(base, candidate []*results.Scale) (rows []ScaleRatio) {
	all := slices.Concat(base, candidate)
	for _, f := range scaleFiguresOf(all) {
		for _, size := range commonSizes(all) {
			b, whole := scaleLogs(base, f, size)
			c, wholeCandidate := scaleLogs(candidate, f, size)
			if !whole || !wholeCandidate {
				continue
			}
			shift := stats.NewTwoSampleShift(b, c, compareAlpha)
			r := ScaleRatio{Figure: f.Name, Unit: f.Unit, Size: size, Ratio: math.Exp(shift.Estimate)}
			r.Base, r.Candidate = math.Exp(stats.Median(b)), math.Exp(stats.Median(c))
			if low, high := math.Exp(shift.Lower), math.Exp(shift.Upper); low > 0 && !math.IsInf(high, 0) && !math.IsNaN(low+high) {
				r.Low, r.High = &low, &high
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// ScaleDifferences returns the settings in which two ladders differ.
func ScaleDifferences(a, b *results.Scale) (list []string) {
	add := func(differ bool, what string) {
		if differ {
			list = append(list, what)
		}
	}
	add(a.Workload != b.Workload, "workload")
	add(a.Rate != b.Rate, "rate")
	add(a.ObjectSize != b.ObjectSize, "size of objects")
	add(a.Values != b.Values, "content of objects")
	add(!slices.Equal(a.Sizes, b.Sizes), "sizes of the rungs")
	return append(list, Differences(
		&results.Run{Cluster: a.Cluster, Environment: a.Environment}, &results.Run{Cluster: b.Cluster, Environment: b.Environment})...)
}

// scaleFiguresOf returns the distinct figures of all ladders.
func scaleFiguresOf(all []*results.Scale) (list []ScaleFigure) {
	for _, s := range all {
		for _, f := range ScaleFigures(s) {
			if !slices.ContainsFunc(list, func(g ScaleFigure) bool { return g.Name == f.Name }) {
				list = append(list, f)
			}
		}
	}
	return list
}

// commonSizes returns the amounts of data for which all ladders have a rung.
func commonSizes(all []*results.Scale) (sizes []int64) {
	for i := range all[0].Rungs {
		size := all[0].Rungs[i].Size
		if !slices.ContainsFunc(all, func(s *results.Scale) bool { return rungOf(s, size) == nil }) {
			sizes = append(sizes, size)
		}
	}
	return sizes
}

// rungOf returns the rung of a ladder with an amount of data, or nil if there is none.
func rungOf(s *results.Scale, size int64) *results.ScaleRung {
	at := slices.IndexFunc(s.Rungs, func(r results.ScaleRung) bool { return r.Size == size })
	if at < 0 {
		return nil
	}
	return &s.Rungs[at]
}

// scaleLogs returns the logarithms of a figure in the ladders of a side. whole reports whether
// each ladder has the figure.
func scaleLogs(side []*results.Scale, f ScaleFigure, size int64) (logs []float64, whole bool) {
	for _, s := range side {
		r := rungOf(s, size)
		if r == nil || !(f.Of(r) > 0) {
			return nil, false
		}
		logs = append(logs, math.Log(f.Of(r)))
	}
	return logs, true
}
