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

// requestOverhead is what a put takes besides key and value.
const requestOverhead = 64

// Values says what operations write.
type Values struct {
	values.Spec
	choice values.Choice
}

func (v *Values) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&v.Size, "val-size", "",
		"size of a value in bytes, or a range such as 100-4000 (default 256; of objects natural, the size of their kind)")
	fs.StringVar(&v.Content, "values", values.Random,
		"content of the values: random, half (half of each is compressible), objects like those of Kubernetes, or those of one kind: "+
			"objects:pods, nodes, leases, events or configmaps")
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

// LargestWrite returns an upper bound of the bytes that one operation of the entries
// writes, as far as their parameters tell.
func LargestWrite(entries []results.PlanEntry) (most int64) {
	for _, e := range entries {
		v := Values{Spec: values.Spec{Size: e.Params["val-size"], Content: e.Params["values"]}}
		if v.validate(0) != nil {
			continue
		}
		operations, err := strconv.ParseInt(e.Params["txn-ops"], 10, 64)
		if err != nil {
			operations = 1
		}
		most = max(most, int64(v.choice.High+requestOverhead)*operations)
	}
	return most
}

// populationValues returns the values of a population.
func populationValues(p results.PlanPopulation) Values {
	return Values{Spec: values.Spec{Size: p.ValSize, Content: p.Values, Compressibility: p.Compressibility}}
}
