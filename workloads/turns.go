package workloads

import (
	"math"
)

// turns assigns the operations to the parts of a mix, in blocks of a fixed length. In each
// block, every part has its share.
type turns struct {
	shares []uint64 // operations of each part in a block
	part   []uint8  // of each place in a block
	rank   []uint32 // how many of the part's operations come before it in the block
}

const (
	leastTurns, mostTurns = 1 << 8, 1 << 20
	// shareError is how far a part's share may be from its weight.
	shareError = 0.005
)

func newTurns(weights []float64) *turns {
	t := &turns{}
	length := uint64(leastTurns)
	for t.shares = sharesOf(weights, length); length < mostTurns && worstShare(weights, t.shares, length) > shareError; {
		length *= 2
		t.shares = sharesOf(weights, length)
	}
	// The smooth weighted round robin of nginx: the part that is furthest
	// behind is next.
	behind := make([]int64, len(weights))
	used := make([]uint32, len(weights))
	for range length {
		next := 0
		for i := range behind {
			behind[i] += int64(t.shares[i])
			if behind[i] > behind[next] {
				next = i
			}
		}
		behind[next] -= int64(length)
		t.part = append(t.part, uint8(next))
		t.rank = append(t.rank, used[next])
		used[next]++
	}
	return t
}

// sharesOf divides a block according to the weights. The heaviest part gets the remainder of
// the rounding.
func sharesOf(weights []float64, length uint64) []uint64 {
	sum, heaviest := 0.0, 0
	for i, w := range weights {
		sum += w
		if w > weights[heaviest] {
			heaviest = i
		}
	}
	shares := make([]uint64, len(weights))
	left := int64(length)
	for i, w := range weights {
		if shares[i] = uint64(math.Round(w / sum * float64(length))); w > 0 {
			shares[i] = max(shares[i], 1)
		}
		left -= int64(shares[i])
	}
	shares[heaviest] = uint64(int64(shares[heaviest]) + left)
	return shares
}

func worstShare(weights []float64, shares []uint64, length uint64) float64 {
	sum, worst := 0.0, 0.0
	for _, w := range weights {
		sum += w
	}
	for i, w := range weights {
		if w > 0 {
			want := w / sum * float64(length)
			worst = max(worst, math.Abs(float64(shares[i])-want)/want)
		}
	}
	return worst
}

// at returns the part of operation n and the operation's number within it.
func (t *turns) at(n uint64) (part int, own uint64) {
	if len(t.shares) == 1 {
		return 0, n
	}
	block, place := n/uint64(len(t.part)), n%uint64(len(t.part))
	i := t.part[place]
	return int(i), block*t.shares[i] + uint64(t.rank[place])
}

// before returns the number of operations before operation n that belong to a part.
func (t *turns) before(part int, n uint64) uint64 {
	if len(t.shares) == 1 {
		return n
	}
	length := uint64(len(t.part))
	whole := n / length * t.shares[part]
	for place := n % length; place < length; place++ { // the part's next one knows its rank
		if int(t.part[place]) == part {
			return whole + uint64(t.rank[place])
		}
	}
	return whole + t.shares[part]
}
