package workloads

import (
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A populator is a definition whose workload writes keys before the load.
type populator interface {
	// population returns how many keys are written, and how.
	population() (count int64, keys Keys, values Values)
}

func (d *deleteDefinition) population() (int64, Keys, Values) { return d.keys.Space, d.keys, d.values }
func (d *stmDefinition) population() (int64, Keys, Values)    { return d.keys.Space, d.keys, d.values }
func (d *txnMixedDefinition) population() (int64, Keys, Values) {
	return d.keys.Space, d.keys, d.values
}

func (d *rangeDefinition) population() (int64, Keys, Values) {
	if d.existing {
		return 0, d.keys, d.values
	}
	return d.keys.Space, d.keys, d.values
}

func (d *txnCASDefinition) population() (int64, Keys, Values) {
	return d.initialObjects(), d.keys, d.values
}

// The rates at which a population is estimated to be written: those of three members and the
// generator on two cores, rounded.
const (
	populatedKeys  = 20_000 // per second
	populatedBytes = 40e6   // per second
)

// PopulationTime estimates how long it takes to write the keys that a run needs before its load.
func PopulationTime(plan *results.Plan) time.Duration {
	var seconds float64
	eachPopulation(plan, func(count int64, keySize int, values Values) {
		size := float64(keySize) + float64(values.choice.Low+values.choice.High)/2
		seconds += float64(max(count, 0)) * (1.0/populatedKeys + size/populatedBytes)
	})
	return time.Duration(seconds * float64(time.Second))
}

// LargestPopulation returns an upper bound of the bytes in flight at one time while the
// population is written.
func LargestPopulation(plan *results.Plan) (most int64) {
	eachPopulation(plan, func(count int64, keySize int, values Values) {
		put := int64(keySize + values.choice.High + requestOverhead)
		most = max(most, min(count*put, populators*max(put, min(populateOps*put, populateBytes))))
	})
	return most
}

// eachPopulation visits the populations of a plan and those that its workloads write
// themselves, by the number of keys and their sizes in bytes. Invalid ones are left out.
func eachPopulation(plan *results.Plan, visit func(count int64, keySize int, values Values)) {
	for _, p := range plan.Population {
		values := populationValues(p)
		if values.validate(p.KeySize) == nil {
			visit(p.Keys, p.KeySize, values)
		}
	}
	for _, e := range plan.Entries() {
		entry, err := Find(e.Workload)
		if err != nil {
			continue
		}
		d, _, err := entry.Configure(e.Params)
		if err != nil || d.Validate(e.Prefix) != nil {
			continue
		}
		if p, ok := d.(populator); ok {
			count, keys, values := p.population()
			visit(count, keys.Size, values)
		}
	}
}
