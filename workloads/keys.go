package workloads

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// maxKeySpace keeps key numbers within 18 digits.
const maxKeySpace = 1_000_000_000_000

// defaultSpace is the default number of keys of most workloads.
const defaultSpace = 100_000

// Keys describes the keys of operations.
type Keys struct {
	// Size is the length of a key in bytes, prefix included.
	Size int
	// Space is the number of different keys.
	Space int64
	// Distribution is one of keyDistributions.
	Distribution string
	// Theta is the skew of zipfian and latest, between 0 and 1.
	Theta float64
	// HotKeys is the share of the keys that gets the share HotOps of the operations.
	HotKeys, HotOps float64
	sequential      bool
}

var keyDistributions = [...]string{"sequential", "uniform", "zipfian", "latest", "hotspot"}

func (k *Keys) addFlags(fs *pflag.FlagSet, distribution string, space int64) {
	k.addSpaceFlags(fs, space)
	fs.StringVar(&k.Distribution, "keys", distribution, "order of the keys: "+strings.Join(keyDistributions[:], ", "))
	addChoices(fs, "keys", keyDistributions[:]...)
	fs.BoolVar(&k.sequential, "sequential-keys", false, "the same as --keys sequential")
	fs.Float64Var(&k.Theta, "zipf-theta", 0.99, "skew of zipfian and latest, above 0 and below 1")
	fs.Float64Var(&k.HotKeys, "hot-keys", 0.2, "hotspot: share of the keys that is hot")
	fs.Float64Var(&k.HotOps, "hot-ops", 0.8, "hotspot: share of the operations on hot keys")
}

// addSpaceFlags adds the flags of workloads that choose keys themselves.
func (k *Keys) addSpaceFlags(fs *pflag.FlagSet, space int64) {
	k.Distribution, k.Theta = "sequential", 0.99
	k.HotKeys, k.HotOps = 0.2, 0.8
	fs.IntVar(&k.Size, "key-size", 48, "length of a key in bytes, prefix included")
	fs.Int64Var(&k.Space, "key-space-size", space, "number of different keys")
}

func (k *Keys) validate(prefix string) error {
	if k.sequential {
		k.Distribution = "sequential"
	}
	if k.Space < 1 || k.Space > maxKeySpace {
		return fmt.Errorf("--key-space-size must be between 1 and %d, not %d", int64(maxKeySpace), k.Space)
	}
	if least := len(prefix) + digits(k.Space); k.Size < least {
		return fmt.Errorf("--key-size %d is too small: the prefix %q and %d digits take %d bytes", k.Size, prefix, digits(k.Space), least)
	}
	switch {
	case k.Size > maxRequest:
		return fmt.Errorf("--key-size %d is above etcd's request limit of %d bytes", k.Size, maxRequest)
	case !slices.Contains(keyDistributions[:], k.Distribution):
		return fmt.Errorf("--keys %q is none of %q", k.Distribution, keyDistributions)
	case !(k.Theta > 0 && k.Theta < 1):
		return fmt.Errorf("--zipf-theta must be above 0 and below 1, not %v", k.Theta)
	case !(k.HotKeys > 0 && k.HotKeys <= 1) || !(k.HotOps >= 0 && k.HotOps <= 1):
		return errors.New("--hot-keys and --hot-ops must be shares between 0 and 1")
	}
	return nil
}

// names returns the names of the keys under a prefix.
func (k Keys) names(prefix string) ledger.Keys {
	return ledger.Keys{Prefix: prefix, Size: k.Size, Count: k.Space}
}

func digits(n int64) int { return len(strconv.FormatInt(n-1, 10)) }

// keyMaker creates the keys of one worker. Its choices depend only on the operation's phase and
// number. Those of sequential and latest also depend on the number of operations in earlier
// phases.
type keyMaker struct {
	*keyRules
	rng opRand
}

func newKeyMaker(k Keys, t Target) *keyMaker { return &keyMaker{keyRules: t.keyRules(k)} }

// keyRules are the common part of the key makers of a workload. They are immutable.
type keyRules struct {
	Keys
	names ledger.Keys
	seed  uint64
	zipf  zipfian
}

func newKeyRules(k Keys, prefix string, seed uint64) *keyRules {
	r := &keyRules{Keys: k, names: k.names(prefix), seed: seed}
	if k.Distribution == "zipfian" || k.Distribution == "latest" {
		r.zipf = newZipfian(k.Space, k.Theta)
	}
	return r
}

// pick chooses the key number of an operation. It reseeds m.rng.
func (m *keyMaker) pick(op *bench.Op) int64 { return m.pickAt(op.Phase, op.N, op.Before+op.N) }

// reseed restarts m.rng for operation n of a phase.
func (m *keyMaker) reseed(phase int, n uint64) { m.rng.reset(m.seed, phase, n) }

// pickAt chooses a key number by a random choice, which depends on phase and n, and by a
// position in the sequence of keys, which continues from phase to phase. It reseeds m.rng.
func (m *keyMaker) pickAt(phase int, n, position uint64) int64 {
	m.reseed(phase, n)
	rng := m.rng.rand()
	switch m.Distribution {
	case "uniform":
		return rng.Int64N(m.Space)
	case "zipfian":
		// Ranks are scattered, so that popular keys are not adjacent.
		return int64(scramble(uint64(m.zipf.rank(rng.Float64()))) % uint64(m.Space))
	case "latest":
		newest := int64(position % uint64(m.Space))
		return (newest - m.zipf.rank(rng.Float64()) + m.Space) % m.Space
	case "hotspot":
		hot := max(1, int64(float64(m.Space)*m.HotKeys))
		if hot == m.Space || rng.Float64() < m.HotOps {
			return rng.Int64N(hot)
		}
		return hot + rng.Int64N(m.Space-hot)
	}
	return int64(position % uint64(m.Space))
}

// several chooses different keys for an operation on count keys. It appends them to numbers,
// which must be empty, in the order in which the operation accesses them.
func (m *keyMaker) several(numbers []int64, op *bench.Op, count int) []int64 {
	position := (op.Before + op.N) * uint64(count)
	numbers = append(numbers, m.pickAt(op.Phase, op.N*uint64(count), position))
	for i := uint64(1); len(numbers) < count; i++ {
		next := m.pickAt(op.Phase, scramble(op.N)+i, position)
		if m.Distribution == "sequential" {
			next = numbers[len(numbers)-1] + 1
		}
		for next %= m.Space; slices.Contains(numbers, next); {
			next = (next + 1) % m.Space
		}
		numbers = append(numbers, next)
	}
	return numbers
}

// appendKey writes the key of a number to buf[:0].
func (m *keyMaker) appendKey(buf []byte, number int64) []byte { return m.names.Append(buf, number) }

// spanWidth returns the number of keys that a read covers in a key space of that size: 1 for
// "key", 0 for "prefix", which means all keys, or a number.
func spanWidth(span string, space int64) (int64, error) {
	switch span {
	case "key":
		return 1, nil
	case "prefix":
		return 0, nil
	}
	n, err := strconv.ParseInt(span, 10, 64)
	if err != nil || n < 1 || n > space {
		return 0, fmt.Errorf("--span %q is neither key nor prefix nor a number of keys from 1 to --key-space-size %d", span, space)
	}
	return n, nil
}

// appendSpan writes the range of a read that covers width keys (see [spanWidth]), from the key
// with the given number on, to key[:0] and end[:0]. It returns the number of keys in the range.
func (m *keyMaker) appendSpan(key, end []byte, number, width int64) ([]byte, []byte, int64) {
	switch width {
	case 0:
		return append(key[:0], m.names.Prefix...), append(end[:0], prefixEnd(m.names.Prefix)...), m.Space
	case 1:
		return m.appendKey(key, number), end[:0], 1
	}
	number = min(number, m.Space-width)
	key, end = m.appendKey(key, number), m.appendKey(end, number+width)
	if number+width == m.Space {
		end = append(end[:0], prefixEnd(m.names.Prefix)...)
	}
	return key, end, width
}

// number is the inverse of appendKey.
func (m *keyMaker) number(key []byte) (int64, bool) { return m.names.Number(key) }

// opRand is a random generator that restarts for each operation.
type opRand struct{ pcg rand.PCG }

// rand returns the generator in its present state.
func (r *opRand) rand() *rand.Rand { return rand.New(&r.pcg) }

func (r *opRand) reset(seed uint64, phase int, n uint64) {
	r.pcg.Seed(scramble(seed^uint64(phase)<<48), scramble(n))
}

// scramble is the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014): the results of adjacent numbers are unrelated.
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// zipfian draws ranks with probability proportional to 1/(rank+1)^theta, by the
// approximate inversion of Gray et al., "Quickly generating billion-record
// synthetic databases" (SIGMOD 1994), which YCSB uses too.
type zipfian struct {
	n                        int64
	theta, alpha, zetan, eta float64
}

func newZipfian(n int64, theta float64) zipfian {
	z := zipfian{n: n, theta: theta, alpha: 1 / (1 - theta), zetan: zeta(n, theta)}
	z.eta = (1 - math.Pow(2/float64(n), 1-theta)) / (1 - zeta(2, theta)/z.zetan)
	return z
}

// zeta returns the sum of 1/i^theta for i from 1 to n. It is exact for the first million terms,
// and uses the integral for the rest.
func zeta(n int64, theta float64) float64 {
	const exact = 1_000_000
	sum := 0.0
	for i := int64(1); i <= min(n, exact); i++ {
		sum += math.Pow(float64(i), -theta)
	}
	if n > exact {
		sum += (math.Pow(float64(n)+0.5, 1-theta) - math.Pow(exact+0.5, 1-theta)) / (1 - theta)
	}
	return sum
}

// rank maps a uniform u in [0,1) to a rank in [0,n).
func (z zipfian) rank(u float64) int64 {
	uz := u * z.zetan
	switch {
	case uz < 1 || z.n == 1:
		return 0
	case uz < 1+math.Pow(0.5, z.theta) || z.n == 2:
		return 1
	}
	return min(z.n-1, int64(float64(z.n)*math.Pow(z.eta*u-z.eta+1, z.alpha)))
}
