package workloads

import "sync/atomic"

// bits is a set of numbers below 2^32. It allocates a page for each range of 65,536 numbers
// that contains a member. Goroutines may share it without a lock. The zero value is empty.
type bits struct{ blocks [256]atomic.Pointer[bitBlock] }

type (
	bitBlock [256]atomic.Pointer[bitPage]
	bitPage  [1024]atomic.Uint64
)

// word returns the word of a number and the number's bit in it. It returns nil if the set has
// no page for the number and create is false.
func (b *bits) word(n uint32, create bool) (*atomic.Uint64, uint64) {
	block := at(&b.blocks[n>>24], create)
	if block == nil {
		return nil, 0
	}
	page := at(&block[n>>16&0xff], create)
	if page == nil {
		return nil, 0
	}
	return &page[n>>6&0x3ff], 1 << (n & 63)
}

// at returns the value of a pointer. With create, it makes a value for a pointer without one.
func at[T any](p *atomic.Pointer[T], create bool) *T {
	if v := p.Load(); v != nil || !create {
		return v
	}
	p.CompareAndSwap(nil, new(T))
	return p.Load()
}

func (b *bits) add(n uint32) {
	w, bit := b.word(n, true)
	w.Or(bit)
}

func (b *bits) remove(n uint32) {
	if w, bit := b.word(n, false); w != nil {
		w.And(^bit)
	}
}

func (b *bits) has(n uint32) bool {
	w, bit := b.word(n, false)
	return w != nil && w.Load()&bit != 0
}

// count returns how many members the set has.
func (b *bits) count() (n int) {
	b.each(func(uint32) bool { n++; return true })
	return n
}

// each calls fn with every member, in rising order, until fn returns false.
func (b *bits) each(fn func(n uint32) bool) {
	for i := range b.blocks {
		block := b.blocks[i].Load()
		for j := 0; block != nil && j < len(block); j++ {
			page := block[j].Load()
			for k := 0; page != nil && k < len(page); k++ {
				for bit, w := 0, page[k].Load(); w != 0; bit, w = bit+1, w>>1 {
					if w&1 != 0 && !fn(uint32(i<<24|j<<16|k<<6|bit)) {
						return
					}
				}
			}
		}
	}
}
