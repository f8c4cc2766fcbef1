// Package values makes the values that workloads write: random bytes of a given
// compressibility, or objects like those that Kubernetes stores in etcd.
//
// A value depends on the seed of its source and on the generator that draws it, which
// workloads restart for each operation. The common parts of all values are made once;
// making a value allocates nothing.
package values

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
)

// Contents of values.
const (
	Random  = "random"
	Half    = "half"
	Objects = "objects"

	// compressible is the former name of Half.
	compressible = "compressible"
)

// Contents returns the contents of values. Those of a kind of object are named like
// "objects:pods".
func Contents() []string {
	list := []string{Random, Half, Objects}
	for _, k := range kinds() {
		list = append(list, Objects+":"+k.name)
	}
	return list
}

// Natural is the size that selects the natural sizes of the kinds of objects.
const Natural = "natural"

// defaultSize is the size of random values in bytes.
const defaultSize = "256"

// A Spec describes the values to make.
type Spec struct {
	// Content is Random, Half, Objects or Objects with a kind, such as "objects:pods".
	// Empty means Random.
	Content string
	// Size is "256" or a range, "100-4000": sizes in bytes. Empty means 256 for random
	// values and Natural for objects.
	Size string
	// Compressibility is the share of each random value, from 0 to 1, that a compressor
	// can remove.
	Compressibility float64
}

// A Choice is a validated spec.
type Choice struct {
	// Low and High are the smallest and the largest size of a value in bytes.
	Low, High int

	kinds   []kind // none: random values
	natural bool
	share   float64 // the compressible share of each random value
}

// Resolve sets empty fields to their defaults. The error names the invalid flag.
func (s *Spec) Resolve() (c Choice, err error) {
	s.Content = cmp.Or(s.Content, Random)
	if c.kinds, err = s.kinds(); err != nil {
		return Choice{}, err
	}
	c.share = s.Compressibility
	switch {
	case !(s.Compressibility >= 0 && s.Compressibility <= 1):
		return Choice{}, fmt.Errorf("--compressibility must be from 0 to 1, got %v", s.Compressibility)
	case s.Compressibility > 0 && s.Content != Random:
		return Choice{}, fmt.Errorf("--compressibility is for --values random, not for %s", s.Content)
	case s.Content != Random:
		c.share = 0.5
	}
	if len(c.kinds) == 0 {
		s.Size = cmp.Or(s.Size, defaultSize)
	} else {
		s.Size = cmp.Or(s.Size, Natural)
	}
	if c.natural = s.Size == Natural && len(c.kinds) > 0; c.natural {
		c.Low, c.High = naturalBounds(c.kinds)
		return c, nil
	}
	if c.Low, c.High, err = parseSize(s.Size); err != nil {
		return Choice{}, err
	}
	for _, k := range c.kinds {
		if c.Low < k.least {
			return Choice{}, fmt.Errorf("--val-size %s is too small for --values %s: %s take %d bytes or more", s.Size, s.Content, k.name, k.least)
		}
	}
	return c, nil
}

// kinds returns the kinds of the objects, or none for random values.
func (s *Spec) kinds() ([]kind, error) {
	if s.Content == Random || s.Content == Half || s.Content == compressible {
		return nil, nil
	}
	content, name, one := strings.Cut(s.Content, ":")
	if content != Objects {
		return nil, fmt.Errorf("--values %q is none of random, half, objects and objects:KIND", s.Content)
	}
	all := kinds()
	if !one {
		return all, nil
	}
	var names []string
	for _, k := range all {
		if k.name == name {
			return []kind{k}, nil
		}
		names = append(names, k.name)
	}
	return nil, fmt.Errorf("--values %q: the kind is none of %s", s.Content, strings.Join(names, ", "))
}

// parseSize reads a number of bytes or a range of two.
func parseSize(size string) (low, high int, err error) {
	from, to, isRange := strings.Cut(size, "-")
	if !isRange {
		to = from
	}
	low, err1 := strconv.Atoi(from)
	high, err2 := strconv.Atoi(to)
	if errors.Join(err1, err2) != nil || low < 0 || low > high {
		return 0, 0, fmt.Errorf("--val-size %q is neither a number of bytes nor a range of two", size)
	}
	return low, high, nil
}

// A Source makes values. Clients may share it: it is not written to after it is prepared.
type Source struct {
	Choice
	seed     uint64
	prepared sync.Once

	// block holds random values: each is a part of it.
	block []byte
	// templates holds objects; empty for random values.
	templates []template
}

// Source returns a source of the values.
func (c Choice) Source(seed uint64) *Source { return &Source{Choice: c, seed: seed} }

// Prepare makes the common parts of all values, which takes up to 100 ms for objects. If it is
// not called, the first value does so.
func (s *Source) Prepare() { s.prepared.Do(s.prepare) }

func (s *Source) prepare() {
	if s.Made() {
		s.templates = templates(s.kinds, s.natural, s.Low, s.High, s.seed)
		return
	}
	s.block = randomBlock(max(64<<10, 2*s.High), s.share, s.seed)
}

// randomBlock returns random bytes with the given compressible share, which consists of one
// letter.
func randomBlock(size int, share float64, seed uint64) []byte {
	block := make([]byte, size)
	rng := rand.New(rand.NewPCG(seed, 0x76616c756573))
	random := 64 - int(64*share+0.5)
	for i := range block {
		// The end of each 64 bytes is the same letter: a compressor removes it.
		if i%64 >= random {
			block[i] = 'x'
			continue
		}
		block[i] = byte(rng.Uint32())
	}
	return block
}

// Value draws a value. It writes an object to the start of buf, and extends buf if it is too
// small. A random value is a part of a shared block and must not be changed.
func (s *Source) Value(buf []byte, rng *rand.Rand) []byte {
	s.Prepare()
	if s.Made() {
		return s.templates[rng.IntN(len(s.templates))].appendTo(buf[:0], rng)
	}
	size := s.Low
	if s.High > s.Low {
		size += rng.IntN(s.High - s.Low + 1)
	}
	at := rng.IntN(len(s.block) - size + 1)
	return s.block[at : at+size : at+size]
}

// Made reports whether Value writes each value to the caller's buffer, which the caller
// may change.
func (s *Source) Made() bool { return len(s.kinds) > 0 }
