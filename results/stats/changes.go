package stats

import "math"

// MinSide is the smallest number of values on either side of a change.
const MinSide = 5

// changeWindow is the number of latest values that a split considers: older ones of the same
// level add little information, and the work for each value stays bounded.
const changeWindow = 100

// A Change is a point at which the level of a series changes.
type Change struct {
	// At is the index of the first value of the new level.
	At int
	// P is the probability that a series in which nothing changes ever shows a change as
	// clear as this one, at any split and after any of its values.
	P float64
}

// ChangePoints returns the changes of level of a series, the first one first, whose P is at
// most level. It goes through the series as if it were judged after each value, so a change
// that was found stays whatever follows (its place may move by up to [MinSide] values), and the
// same series always has the same changes. After each value, every split of the values since
// the last change with at least [MinSide] on either side is compared by the exact one-sided
// Mann–Whitney test, in both directions; values that are equal count against a change. The
// smallest probability p of all splits of n values counts as P = n(n+1)p. The sum of 1/n(n+1)
// is finite, which bounds the probability over all looks; that the sum over the splits of a
// look is bounded, too, is shown by simulation (TestChangePointsLevel). The test uses the order
// of the values alone, so this holds for any distribution of noise, provided that the values do
// not depend on each other.
//
// The test over all splits is A. N. Pettitt's ("A non-parametric approach to the change-point
// problem", 1979); going on from each change is binary segmentation, as in Apache Otava. level
// must be at most 0.05.
func ChangePoints(series []float64, level float64) []Change {
	var changes []Change
	var s splits
	from := 0
	for i := 0; i < len(series); i++ {
		s.add(series[i])
		n := i + 1 - from
		looks := float64(n) * float64(n+1)
		at, p := s.best(level / looks)
		if at == 0 {
			continue
		}
		from = i + 1 - len(s.values) + at
		changes = append(changes, Change{At: from, P: p * looks})
		i, s = from-1, splits{}
	}
	for i := range changes {
		from, to := 0, len(series)
		if i > 0 {
			from = changes[i-1].At
		}
		if i+1 < len(changes) {
			to = changes[i+1].At
		}
		changes[i].At = place(series, from, changes[i].At, to)
	}
	return changes
}

// place returns the index near at that splits the values of two levels, from and to,
// best: the one with the smallest sum of distances to the median of its side. A change is
// found when few of its values are there, and often a value or two too early.
func place(series []float64, from, at, to int) int {
	const reach = MinSide
	best, least := at, math.Inf(1)
	start, end := max(from, at-changeWindow/2), min(to, at+changeWindow/2)
	for k := max(from+MinSide, at-reach); k <= min(to-MinSide, at+reach); k++ {
		if d := distances(series[start:k]) + distances(series[k:end]); d < least {
			best, least = k, d
		}
	}
	return best
}

// distances returns the sum of the distances of values to their median.
func distances(values []float64) (sum float64) {
	median := Median(values)
	for _, v := range values {
		sum += math.Abs(v - median)
	}
	return sum
}

// LeastValues returns the smallest number of values in which [ChangePoints] can find a
// change at a level.
func LeastValues(level float64) int {
	for n := 2 * MinSide; ; n++ {
		if RankSumAtMost(n/2, n-n/2, 0)*float64(n)*float64(n+1) <= level {
			return n
		}
	}
}

// LargestFall returns the split of values, the first index of its right side, whose right
// side lies below the left with the smallest one-sided probability, if that is at most
// level, and 0 otherwise. It looks at the last 100 values. level must be at most 0.05.
func LargestFall(values []float64, level float64) int {
	var s splits
	for _, v := range values {
		s.add(v)
	}
	s.rising = nil
	at, _ := s.best(level)
	if at == 0 {
		return 0
	}
	return place(values, 0, len(values)-len(s.values)+at, len(values))
}

// splits are all splits of the last values of a series. For the pairs of one of the first k
// values and one of the others, rising[k] counts those in which the later value is larger, and
// falling[k] those in which it is smaller.
type splits struct {
	values          []float64
	rising, falling []int
}

// add appends a value, and removes the first one if it is outside the window.
func (s *splits) add(v float64) {
	up, down := 0, 0
	s.rising, s.falling = append(s.rising, 0), append(s.falling, 0)
	for k := 1; k <= len(s.values); k++ {
		switch before := s.values[k-1]; {
		case before < v:
			up++
		case before > v:
			down++
		}
		s.rising[k] += up
		s.falling[k] += down
	}
	s.values = append(s.values, v)
	if len(s.values) > changeWindow {
		s.drop()
	}
}

// drop removes the first value.
func (s *splits) drop() {
	first, up, down := s.values[0], 0, 0
	for k := len(s.values) - 1; k >= 1; k-- {
		switch after := s.values[k]; {
		case first < after:
			up++
		case first > after:
			down++
		}
		s.rising[k] -= up
		s.falling[k] -= down
	}
	s.values, s.rising, s.falling = s.values[1:], s.rising[1:], s.falling[1:]
	s.rising[0], s.falling[0] = 0, 0
}

// A sum of ranks that is less than farDeviations standard deviations from its mean has a
// probability above farP, so that its probability need not be computed to know that.
const (
	farDeviations = 3
	farP          = 1.0 / 20_000
)

// best returns the split with the smallest probability, and that probability, if it is at most
// level. Otherwise it returns 0.
func (s *splits) best(level float64) (at int, p float64) {
	n := len(s.values)
	p = level * (1 + 1e-12)
	for k := MinSide; k <= n-MinSide; k++ {
		pairs := k * (n - k)
		u := s.falling[k]
		if s.rising != nil {
			u = max(u, s.rising[k])
		}
		mean, variance := float64(pairs)/2, float64(pairs)*float64(n+1)/12
		if d := float64(u) - mean; d <= 0 || level <= farP && d*d < farDeviations*farDeviations*variance {
			continue
		}
		if q := RankSumAtMost(k, n-k, pairs-u); q <= p && (at == 0 || q < p) {
			at, p = k, q
		}
	}
	return at, p
}

// RankSumAtMost returns the probability that a Mann–Whitney sum of m and n values that
// are drawn alike is at most u. The numbers of orders with each sum are the coefficients
// of the Gaussian binomial, which is built factor by factor up to u. (H. B. Mann and D.
// R. Whitney, "On a test of whether one of two random variables is stochastically larger
// than the other", 1947.)
func RankSumAtMost(m, n, u int) float64 {
	if u < 0 {
		return 0
	}
	if 2*u >= m*n && u < m*n { // the distribution is symmetric
		return 1 - RankSumAtMost(m, n, m*n-u-1)
	}
	u = min(u, m*n)
	count := make([]float64, u+1)
	count[0] = 1
	all := 1.0
	for i := 1; i <= m; i++ {
		all *= float64(n+i) / float64(i)
		for j := u; j >= n+i; j-- {
			count[j] -= count[j-n-i]
		}
		for j := i; j <= u; j++ {
			count[j] += count[j-i]
		}
	}
	sum := 0.0
	for _, c := range count {
		sum += c
	}
	return min(1, sum/all)
}

// FallsBelow returns the one-sided probability of the Mann–Whitney test that values drawn
// alike lie as far apart as these, the second sample below the first. Values that are
// equal count against it. Of long samples, the last 50 values are compared.
func FallsBelow(first, second []float64) float64 {
	const most = changeWindow / 2
	first, second = first[max(0, len(first)-most):], second[max(0, len(second)-most):]
	u := 0
	for _, a := range first {
		for _, b := range second {
			if a > b {
				u++
			}
		}
	}
	return RankSumAtMost(len(first), len(second), len(first)*len(second)-u)
}
