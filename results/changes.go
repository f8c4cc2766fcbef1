package results

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// SeriesChange is a place at which a series of saved results changed.
type SeriesChange struct {
	// Series is the plan, cluster and machine that the runs have in common.
	Series string `json:"series"`
	Metric string `json:"metric"`
	Unit   string `json:"unit,omitempty"`
	// Run is the first run after the change, and Label its version or commit.
	Run     string    `json:"run"`
	Path    string    `json:"path,omitempty"`
	Started time.Time `json:"started"`
	Label   string    `json:"label,omitempty"`
	// Before and After are the means of the runs from the change before to this, and
	// from this to the next, on a logarithmic scale; Change is between them, as a
	// share, more being worse.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Change float64 `json:"change"`
	P      float64 `json:"p_value"`
	// Alert says that it is for the worse, by the metric's margin or more, and that
	// nothing has changed since.
	Alert bool `json:"alert,omitempty"`
}

const (
	// changeP is the largest probability of a change that is none.
	changeP = 0.001
	// leastSide is how many runs there must be on either side of a change.
	leastSide = 5
)

// HistoryChanges looks for changes in every series of a history. A history whose
// series are all too short for one is an error.
func HistoryChanges(runs []HistoryRun, margins map[string]float64) ([]SeriesChange, error) {
	var order []string
	series := map[string][]HistoryRun{}
	for _, r := range runs {
		if r.Outcome != Completed || r.Validity.Verdict == Invalid {
			continue
		}
		name := r.Series()
		if series[name] == nil {
			order = append(order, name)
		}
		series[name] = append(series[name], r)
	}
	longest := 0
	var changes []SeriesChange
	for _, name := range order {
		longest = max(longest, len(series[name]))
		for _, m := range GateMetrics() {
			changes = append(changes, metricChanges(name, m, series[name], cmp.Or(margins[m.Name], m.Margin))...)
		}
	}
	if longest < 2*leastSide {
		return nil, fmt.Errorf("no series has the %d runs that a change takes: the longest of %d has %d", 2*leastSide, len(order), longest)
	}
	return changes, nil
}

// metricChanges are those of one figure.
func metricChanges(series string, m GateMetric, runs []HistoryRun, margin float64) []SeriesChange {
	var logs []float64
	var of []HistoryRun
	for _, r := range runs {
		if v, ok := r.Values[m.Name]; ok && v > 0 {
			logs, of = append(logs, math.Log(v)), append(of, r)
		}
	}
	points := ChangePoints(logs)
	var list []SeriesChange
	for i, at := range points {
		from, to := 0, len(logs)
		if i > 0 {
			from = points[i-1]
		}
		if i+1 < len(points) {
			to = points[i+1]
		}
		before, _ := meanAndDeviation(logs[from:at])
		after, _ := meanAndDeviation(logs[at:to])
		d := after - before
		if m.Higher {
			d = -d
		}
		r := of[at]
		c := SeriesChange{
			Series: series, Metric: m.Name, Unit: m.Unit, Run: r.ID, Path: r.Path, Started: r.Started, Label: versionLabel(r.Run),
			Before: math.Exp(before), After: math.Exp(after), Change: math.Expm1(d), P: welch(logs[from:at], logs[at:to]),
		}
		c.Alert = i == len(points)-1 && c.Change >= margin
		list = append(list, c)
	}
	return list
}

// versionLabel says what ran: by its label where it has one, by its program or
// version where not.
func versionLabel(r *Run) string {
	return cmp.Or(r.Label, r.Cluster.Binary, "etcd "+r.Cluster.Version)
}

// ChangePoints are the places of a series from which on its level is another, each
// the first of the new level. They are found by E-divisive means, with Student's
// t-test in Welch's form in place of permutations, so that the same series always
// has the same changes, as Apache Otava does: the split that parts a stretch best
// is taken as long as its two sides differ, and those that later splits have made
// doubtful are taken back. (D. S. Matteson and N. A. James, "A nonparametric
// approach for multiple change point analysis of multivariate data", 2014.)
func ChangePoints(series []float64) []int {
	points := splits(series, 0, len(series))
	slices.Sort(points)
	for len(points) > 0 {
		weakest, most := -1, changeP
		for i := range points {
			from, to := neighbours(points, i, len(series))
			if p := welch(series[from:points[i]], series[points[i]:to]); p > most {
				weakest, most = i, p
			}
		}
		if weakest < 0 {
			break
		}
		points = slices.Delete(points, weakest, weakest+1)
	}
	return points
}

// neighbours are the bounds of the stretches before and after a change.
func neighbours(points []int, i, end int) (from, to int) {
	to = end
	if i > 0 {
		from = points[i-1]
	}
	if i+1 < len(points) {
		to = points[i+1]
	}
	return from, to
}

// splits divides a stretch for as long as its sides differ.
func splits(series []float64, from, to int) []int {
	at := bestSplit(series[from:to])
	if at < 0 || welch(series[from:from+at], series[from+at:to]) > changeP {
		return nil
	}
	at += from
	return slices.Concat(splits(series, from, at), []int{at}, splits(series, at, to))
}

// bestSplit is where the energy distance between the two sides, weighted by their
// sizes, is largest; −1 where there are too few for two sides.
func bestSplit(x []float64) int {
	n := len(x)
	if n < 2*leastSide {
		return -1
	}
	// Sums of distances between the sides, and within each, as the split moves.
	var between, left, right float64
	for i := range n {
		for j := range i {
			right += math.Abs(x[i] - x[j])
		}
	}
	best, most := -1, math.Inf(-1)
	for at := 1; at < n; at++ {
		moved := x[at-1]
		for i, v := range x {
			d := math.Abs(v - moved)
			switch {
			case i < at-1: // was between
				between -= d
				left += d
			case i >= at:
				right -= d
				between += d
			}
		}
		if at < leastSide || n-at < leastSide {
			continue
		}
		a, b := float64(at), float64(n-at)
		q := a * b / (a + b) * (2*between/(a*b) - left/(a*(a-1)/2) - right/(b*(b-1)/2))
		if q > most {
			best, most = at, q
		}
	}
	return best
}

// welch is the probability of two samples' means to differ as much as they do when
// they are drawn from normal distributions with one mean. (B. L. Welch, "The
// generalization of 'Student's' problem when several different population variances
// are involved", 1947.)
func welch(a, b []float64) float64 {
	if len(a) < 2 || len(b) < 2 {
		return 1
	}
	meanA, sdA := meanAndDeviation(a)
	meanB, sdB := meanAndDeviation(b)
	va, vb := sdA*sdA/float64(len(a)), sdB*sdB/float64(len(b))
	if va+vb == 0 {
		if meanA == meanB {
			return 1
		}
		return 0
	}
	t := math.Abs(meanA-meanB) / math.Sqrt(va+vb)
	freedom := (va + vb) * (va + vb) / (va*va/float64(len(a)-1) + vb*vb/float64(len(b)-1))
	return 2 * distuv.StudentsT{Sigma: 1, Nu: freedom}.Survival(t)
}
