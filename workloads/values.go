package workloads

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// maxRequest is etcd's default limit on a request (--max-request-bytes).
const maxRequest = 1536 * 1024

// requestOverhead is the size of a put without key and value, in bytes.
const requestOverhead = 64

// Values describes the values that operations write.
type Values struct {
	values.Spec
	choice values.Choice
}

func (v *Values) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&v.Size, "val-size", "",
		"size of a value in bytes, or a range such as 100-4000 (default 256; for objects: the natural size of their kind)")
	fs.StringVar(&v.Content, "values", values.Random,
		"content of the values: random, half (half of each is compressible), objects like those of Kubernetes, or those of one kind: "+
			"objects:pods, nodes, leases, events or configmaps")
	addChoices(fs, "values", values.Contents()...)
	fs.Float64Var(&v.Compressibility, "compressibility", 0, "share of each random value that a compressor can remove, from 0 to 1")
}

func (v *Values) validate(keySize int) (err error) {
	if v.choice, err = v.Resolve(); err != nil {
		return err
	}
	if v.choice.High+keySize+requestOverhead > maxRequest {
		return fmt.Errorf("--val-size %s and a key of %d bytes are above etcd's request limit of %d bytes", v.Size, keySize, maxRequest)
	}
	return nil
}

// source returns a source of the values. They must have been validated.
func (v *Values) source(seed uint64) *values.Source { return v.choice.Source(seed) }

// severalWriter is implemented by definitions whose requests write several keys.
type severalWriter interface {
	// putsAtOnce returns the largest number of keys that a request writes.
	putsAtOnce() int
}

// LargestWrite returns an upper bound of the bytes that one request of the entries writes.
// Entries whose parameters are wrong count nothing.
func LargestWrite(entries []results.PlanEntry) (most int64) {
	for _, e := range entries {
		entry, err := Find(e.Workload)
		if err != nil {
			continue
		}
		d, params, err := entry.Configure(e.Params)
		if err != nil {
			continue
		}
		count := 1
		if s, ok := d.(severalWriter); ok {
			count = s.putsAtOnce()
		}
		content := values.Spec{Size: "0"}
		if params.Lookup("val-size") != nil {
			content = values.Spec{Size: value(params, "val-size"), Content: value(params, "values")}
		}
		put := largestPut(value(params, "key-size"), content)
		most = max(most, min(int64(count)*put, maxRequest))
	}
	return most
}

// value returns the text of a parameter, or "" if there is no such parameter.
func value(params *pflag.FlagSet, name string) string {
	if f := params.Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// largestPut is an upper bound of the bytes of one put, by the size of its key and its value.
func largestPut(keySize string, value values.Spec) int64 {
	v := Values{Spec: value}
	_ = v.validate(0) // a wrong size counts as 0
	key, _ := strconv.Atoi(keySize)
	return int64(key + v.choice.High + requestOverhead)
}

// populationValues returns the values of a population.
func populationValues(p results.PlanPopulation) Values {
	return Values{Spec: values.Spec{Size: p.ValSize, Content: p.Values, Compressibility: p.Compressibility}}
}
