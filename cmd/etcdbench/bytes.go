package main

import (
	"fmt"
	"math"

	"github.com/dustin/go-humanize"
)

// bytesValue is a flag that takes a size: 8GiB, 512MB, 1048576.
type bytesValue struct{ n *int64 }

func newBytes(n *int64) bytesValue { return bytesValue{n} }

func (b bytesValue) Set(s string) error {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return fmt.Errorf("%q is not a size such as 8GiB", s)
	}
	*b.n = int64(n)
	return nil
}

func (b bytesValue) String() string {
	if b.n == nil {
		return ""
	}
	return humanize.IBytes(uint64(*b.n))
}

func (bytesValue) Type() string { return "size" }
