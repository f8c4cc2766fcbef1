package workloads

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/results"
)

// maxRequest is etcd's default limit on a request (--max-request-bytes).
const maxRequest = 1536 * 1024

// requestOverhead is what a put takes besides key and value.
const requestOverhead = 64

// Values says what operations write.
type Values struct {
	// Size is "256" or a range, "100-4000": sizes in bytes, drawn evenly.
	Size string
	// Content is "random" or "compressible" (to about half).
	Content string

	low, high int
}

func (v *Values) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&v.Size, "val-size", "256", "size of a value in bytes, or a range such as 100-4000")
	fs.StringVar(&v.Content, "values", "random", "content of the values: random or compressible")
}

func (v *Values) validate(keySize int) error {
	low, high, isRange := strings.Cut(v.Size, "-")
	if !isRange {
		high = low
	}
	var err1, err2 error
	v.low, err1 = strconv.Atoi(low)
	v.high, err2 = strconv.Atoi(high)
	switch {
	case errors.Join(err1, err2) != nil || v.low < 0 || v.low > v.high:
		return fmt.Errorf("--val-size %q is neither a number of bytes nor a range of two", v.Size)
	case v.high+keySize+requestOverhead > maxRequest:
		return fmt.Errorf("--val-size %s and a key of %d bytes are above etcd's request limit of %d bytes", v.Size, keySize, maxRequest)
	case v.Content != "random" && v.Content != "compressible":
		return fmt.Errorf("--values %q is neither random nor compressible", v.Content)
	}
	return nil
}

// valuePool gives values as slices of one block of bytes, so that making one
// costs nothing and copies nothing. It is shared by all workers and never
// written to after it is made.
type valuePool struct {
	Values
	block []byte
}

func newValuePool(v Values, seed uint64) *valuePool {
	p := &valuePool{Values: v, block: make([]byte, max(64<<10, 2*v.high))}
	rng := rand.New(rand.NewPCG(seed, 0x76616c756573))
	for i := range p.block {
		// Half of each 64 bytes is the same letter: a compressor halves it.
		if v.Content == "compressible" && i%64 >= 32 {
			p.block[i] = 'x'
			continue
		}
		p.block[i] = byte(rng.Uint32())
	}
	return p
}

// value draws a value. It must not be changed.
func (p *valuePool) value(rng *opRand) []byte {
	size := p.low
	if p.high > p.low {
		size += rng.IntN(p.high - p.low + 1)
	}
	at := rng.IntN(len(p.block) - size + 1)
	return p.block[at : at+size : at+size]
}

// LargestWrite returns an upper bound of the bytes that one operation of the entries
// writes, as far as their parameters tell.
func LargestWrite(entries []results.PlanEntry) (most int64) {
	for _, e := range entries {
		v := Values{Size: cmp.Or(e.Params["val-size"], "256"), Content: "random"}
		if v.validate(0) != nil {
			continue
		}
		operations, err := strconv.ParseInt(e.Params["txn-ops"], 10, 64)
		if err != nil {
			operations = 1
		}
		most = max(most, int64(v.high+requestOverhead)*operations)
	}
	return most
}
