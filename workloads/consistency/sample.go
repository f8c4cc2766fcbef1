package consistency

import (
	"iter"
	"sync/atomic"
)

// sampleSize is the largest number of followed keys. A key is followed from its first write of
// the run on, if there is room for it.
const (
	sampleSize = 1 << 12
	// probes is the number of places that a key may have.
	probes = 8
)

// A sample holds the followed keys. A key that has a place keeps it, and a key that has found
// no place never gets one. So a key is followed from its first write on, or not at all.
type sample struct {
	// places have the hashes of keys; 0 is free.
	places []atomic.Uint64
	names  []atomic.Pointer[string]
	// followed holds the keys in the order in which they got their places. count is their
	// number.
	followed []atomic.Uint32
	count    atomic.Uint32
	// lost marks the keys with a missing event.
	lost []atomic.Bool
	// losses is set when a key is lost.
	losses atomic.Bool
}

// A Key is the place of a followed key. The zero value is no key.
type Key uint32

func newSample() sample {
	return sample{
		places: make([]atomic.Uint64, sampleSize), names: make([]atomic.Pointer[string], sampleSize),
		followed: make([]atomic.Uint32, sampleSize), lost: make([]atomic.Bool, sampleSize),
	}
}

// find returns the place of a followed key, or 0 for any other.
func (s *sample) find(hash uint64) Key {
	for i := range uint64(probes) {
		place := (hash + i) % sampleSize
		switch s.places[place].Load() {
		case hash:
			return Key(place + 1)
		case 0:
			return 0
		}
	}
	return 0
}

// claim is like find, but gives a new key a place if one is free.
func (s *sample) claim(hash uint64, name []byte) Key {
	for i := range uint64(probes) {
		place := (hash + i) % sampleSize
		owner := s.places[place].Load()
		if owner == 0 {
			if s.places[place].CompareAndSwap(0, hash) {
				text := string(name)
				s.names[place].Store(&text)
				s.followed[s.count.Add(1)-1].Store(uint32(place + 1))
				return Key(place + 1)
			}
			owner = s.places[place].Load()
		}
		if owner == hash {
			return Key(place + 1)
		}
	}
	return 0
}

// name returns the name of a followed key.
func (s *sample) name(k Key) string {
	if name := s.names[k-1].Load(); name != nil {
		return *name
	}
	return ""
}

// Sampled returns one of the followed keys, or 0; which one depends on the seed.
func (c *Checker) Sampled(seed uint64) (Key, string) {
	n := uint64(c.sample.count.Load())
	if n == 0 {
		return 0, ""
	}
	return c.sample.at((seed * 0x9e3779b97f4a7c15) >> 32 % n)
}

// at returns the followed key with a number below count, or 0 while it is given its place.
func (s *sample) at(number uint64) (Key, string) {
	k := Key(s.followed[number].Load())
	if k == 0 {
		return 0, ""
	}
	return k, *s.names[k-1].Load()
}

// Seen is a set of followed keys. The zero value is empty.
type Seen struct{ places [sampleSize / 64]uint64 }

// Add adds a key.
func (s *Seen) Add(k Key) { s.places[(k-1)/64] |= 1 << ((k - 1) % 64) }

// Has reports whether a key is in the set.
func (s *Seen) Has(k Key) bool { return s.places[(k-1)/64]>>((k-1)%64)&1 == 1 }

// Unseen returns an iterator over the followed keys that are not in a set and their names,
// beginning with one that depends on the seed.
func (c *Checker) Unseen(seen *Seen, seed uint64) iter.Seq2[Key, string] {
	n := uint64(c.sample.count.Load())
	return func(yield func(Key, string) bool) {
		for i := range n {
			if k, name := c.sample.at((seed + i) % n); k != 0 && !seen.Has(k) && !yield(k, name) {
				return
			}
		}
	}
}

// lose stops following a key.
func (s *sample) lose(k Key) {
	s.lost[k-1].Store(true)
	s.losses.Store(true)
}
