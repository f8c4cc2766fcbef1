package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/runner"
)

// bytesValue is a flag that takes a size: 8GiB, 512MB, 1048576.
type bytesValue struct{ n *int64 }

func newBytes(n *int64) bytesValue { return bytesValue{n} }

func (b bytesValue) Set(s string) (err error) {
	*b.n, err = parseSize(s)
	return err
}

func parseSize(s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > math.MaxInt64 {
		return 0, fmt.Errorf("%q is not a size such as 8GiB", s)
	}
	return int64(n), nil
}

func (b bytesValue) String() string {
	if b.n == nil {
		return ""
	}
	return humanize.IBytes(uint64(*b.n))
}

func (bytesValue) Type() string { return "size" }

// optional is a flag whose target stays nil unless it is given.
type optional[T comparable] struct {
	target **T
	kind   string
	parse  func(string) (T, error)
	format func(T) string
	// otherwise is the default that help shows.
	otherwise T
}

func (o optional[T]) Set(s string) error {
	v, err := o.parse(s)
	if err != nil {
		return err
	}
	*o.target = &v
	return nil
}

func (o optional[T]) String() string {
	var zero T
	switch {
	case o.target != nil && *o.target != nil:
		return o.format(**o.target)
	case o.otherwise == zero: // also where pflag looks at the zero value
		return ""
	}
	return o.format(o.otherwise)
}

func (o optional[T]) Type() string { return o.kind }

func print[T any](v T) string { return fmt.Sprint(v) }

func intFlag(fs *pflag.FlagSet, target **int, name string, otherwise int, usage string) {
	fs.Var(optional[int]{target, "int", strconv.Atoi, print[int], otherwise}, name, usage)
}

func uintFlag(fs *pflag.FlagSet, target **uint64, name string, otherwise uint64, usage string) {
	parse := func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
	fs.Var(optional[uint64]{target, "uint", parse, print[uint64], otherwise}, name, usage)
}

func floatFlag(fs *pflag.FlagSet, target **float64, name string, otherwise float64, usage string) {
	parse := func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
	fs.Var(optional[float64]{target, "float", parse, print[float64], otherwise}, name, usage)
}

func durationFlag(fs *pflag.FlagSet, target **time.Duration, name string, otherwise time.Duration, usage string) {
	fs.Var(optional[time.Duration]{target, "duration", time.ParseDuration, time.Duration.String, otherwise}, name, usage)
}

func stringFlag(fs *pflag.FlagSet, target **string, name, otherwise, usage string) {
	parse := func(s string) (string, error) { return s, nil }
	fs.Var(optional[string]{target, "string", parse, print[string], otherwise}, name, usage)
}

func boolFlag(fs *pflag.FlagSet, target **bool, name string, otherwise bool, usage string) {
	fs.Var(optional[bool]{target, "bool", strconv.ParseBool, print[bool], otherwise}, name, usage)
	fs.Lookup(name).NoOptDefVal = "true"
}

func sizeFlag(fs *pflag.FlagSet, target **int64, name string, otherwise int64, usage string) {
	format := func(n int64) string { return humanize.IBytes(uint64(n)) }
	fs.Var(optional[int64]{target, "size", parseSize, format, otherwise}, name, usage)
}

// paramsValue is the flag of a scenario's parameters.
type paramsValue struct{ params *map[string]float64 }

func (v paramsValue) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	f, err := strconv.ParseFloat(value, 64)
	if !ok || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("--param %q is not name=number", s)
	}
	if *v.params == nil {
		*v.params = map[string]float64{}
	}
	(*v.params)[name] = f
	return nil
}

func (paramsValue) String() string { return "" }
func (paramsValue) Type() string   { return "parameter" }

// variablesValue is the flag of variables of the members' environment.
type variablesValue struct{ list *[]runner.Variable }

func (v variablesValue) Set(s string) error {
	name, value, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("%q is not NAME=value", name)
	}
	*v.list = append(*v.list, runner.Variable{Name: name, Value: value})
	return nil
}

func (variablesValue) String() string { return "" }
func (variablesValue) Type() string   { return "variable" }

func shareFlag(fs *pflag.FlagSet, target **float64, name string, otherwise float64, usage string) {
	format := func(f float64) string { return fmt.Sprintf("%g%%", 100*f) }
	fs.Var(optional[float64]{target, "share", parseShare, format, otherwise}, name, usage)
}

// parseShare reads a share: 70%, 0.7.
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(s, "%")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not a share such as 70%% or 0.7", s)
	}
	if percent {
		f /= 100
	}
	return f, nil
}

func rateFlag(fs *pflag.FlagSet, target **float64, name, usage string) {
	format := func(f float64) string { return fmt.Sprintf("%g/s", f) }
	fs.Var(optional[float64]{target, "rate", parseRate, format, 0}, name, usage)
}

// parseRate reads a rate: 4000/s, 4000.
func parseRate(s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSuffix(s, "/s"), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is not a rate such as 4000/s", s)
	}
	return f, nil
}
