package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

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

// shareValue is a flag that takes a share: 70%, 0.7.
type shareValue struct{ share *float64 }

func newShare(share *float64) shareValue { return shareValue{share} }

func (v shareValue) Set(s string) error {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%q is not a share such as 70%% or 0.7", s)
	}
	if percent {
		f /= 100
	}
	*v.share = f
	return nil
}

func (v shareValue) String() string {
	if v.share == nil {
		return ""
	}
	return fmt.Sprintf("%g%%", 100**v.share)
}

func (shareValue) Type() string { return "share" }

// rateValue is a flag that takes a rate: 4000/s, 4000.
type rateValue struct{ rate *float64 }

func newRate(rate *float64) rateValue { return rateValue{rate} }

func (v rateValue) Set(s string) error {
	f, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%q is not a rate such as 4000/s", s)
	}
	*v.rate = f
	return nil
}

func (v rateValue) String() string {
	if v.rate == nil || *v.rate == 0 {
		return ""
	}
	return fmt.Sprintf("%g/s", *v.rate)
}

func (rateValue) Type() string { return "rate" }
