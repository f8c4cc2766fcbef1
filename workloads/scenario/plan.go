package scenario

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// share returns the entry's weight, or its rate.
func (e *Entry) share() float64 {
	switch {
	case e.Rate != nil:
		return *e.Rate
	case e.Weight != nil:
		return *e.Weight
	}
	return 1
}

// plan converts the phase for the engine.
func (p *Phase) plan() results.PlanPhase {
	ph := results.PlanPhase{Name: p.Name, Duration: time.Duration(p.Duration), Total: p.Total, Warmup: p.Warmup}
	ph.Load.Rate, ph.Load.RateEnd = p.Rate, p.RateEnd
	if ph.Load.Open() {
		ph.Load.Arrival = cmp.Or(p.Arrival, "constant")
	}
	return ph
}

// PlanPhases returns the scenario's phases for a plan. It returns none if the scenario leaves
// them to the command line.
func (s *Scenario) PlanPhases() []results.PlanPhase {
	var phases []results.PlanPhase
	for i := range s.Phases {
		phases = append(phases, s.Phases[i].plan())
	}
	return phases
}

// MixRate returns the sum of the entries' rates in operations per second, or 0 if they have
// none.
func (s *Scenario) MixRate() float64 {
	sum := 0.0
	for _, e := range s.Mix {
		if e.Rate != nil {
			sum += *e.Rate
		}
	}
	return sum
}

// PlanEntries returns the mix for a plan: with full prefixes, which start with the given one,
// and every parameter.
func (s *Scenario) PlanEntries(prefix string) ([]results.PlanEntry, error) {
	var list []results.PlanEntry
	for _, e := range s.Mix {
		own := e.Name + "/"
		if e.Prefix != nil {
			own = *e.Prefix
		} else if len(s.Mix) == 1 {
			own = ""
		}
		entry, err := workloads.Find(e.Workload)
		if err != nil {
			return nil, s.at(e.line, err)
		}
		d, fs, err := entry.Configure(e.Params.texts())
		if err != nil {
			return nil, s.at(e.line, err)
		}
		if err := d.Validate(prefix + own); err != nil {
			if len(s.Mix) > 1 {
				err = fmt.Errorf("%s: %w", e.Name, err)
			}
			return nil, s.at(e.line, err)
		}
		params := map[string]string{}
		fs.VisitAll(func(f *pflag.Flag) { params[f.Name] = strings.Trim(f.Value.String(), "[]") })
		list = append(list, results.PlanEntry{
			Name: e.Name, Workload: e.Workload, Weight: e.share(), Prefix: prefix + own, Params: params,
		})
	}
	return list, s.checkShared(list)
}

// PlanPopulation returns the population for a plan, with full prefixes, which start with the
// given one.
func (s *Scenario) PlanPopulation(prefix string) ([]results.PlanPopulation, error) {
	var list []results.PlanPopulation
	for _, p := range s.Population {
		plan := results.PlanPopulation{
			Prefix: prefix + p.Prefix, Keys: p.Keys, KeySize: p.KeySize, ValSize: p.ValSize, Values: p.Values,
			Compressibility: p.Compressibility,
		}
		if err := workloads.CheckPopulation(&plan); err != nil {
			return nil, s.at(p.line, fmt.Errorf("population %s: %s", p.Prefix, strings.ReplaceAll(err.Error(), "--", "")))
		}
		list = append(list, plan)
	}
	return list, nil
}

// PlanDisturbances returns the disturbances for a plan.
func (s *Scenario) PlanDisturbances() []results.PlanDisturbance {
	var list []results.PlanDisturbance
	for _, d := range s.Disturbances {
		list = append(list, d.plan())
	}
	return list
}

// plan converts the disturbance for the engine.
func (d *Disturbance) plan() results.PlanDisturbance {
	return results.PlanDisturbance{Kind: d.Kind, At: time.Duration(d.At), Every: time.Duration(d.Every), Params: d.Params.texts()}
}

// AddDisturbance adds a disturbance to those of the scenario.
func (s *Scenario) AddDisturbance(d results.PlanDisturbance) {
	params := Params{}
	for name, value := range d.Params {
		params[name] = Scalar{Text: value}
	}
	s.Disturbances = append(s.Disturbances, Disturbance{Kind: d.Kind, At: Duration(d.At), Every: Duration(d.Every), Params: params})
}

// SetPhases replaces the phases with those of a plan.
func (s *Scenario) SetPhases(phases []results.PlanPhase) {
	s.Phases = nil
	for _, ph := range phases {
		p := Phase{Name: ph.Name, Duration: Duration(ph.Duration), Total: ph.Total, Warmup: ph.Warmup}
		p.Rate, p.RateEnd, p.Arrival = ph.Load.Rate, ph.Load.RateEnd, ph.Load.Arrival
		p.Closed = !ph.Load.Open() && s.MixRate() > 0
		s.Phases = append(s.Phases, p)
	}
}

// SetEntries gives the mix every parameter of the plan's entries, which are in
// the same order and whose prefixes start with the given one.
func (s *Scenario) SetEntries(entries []results.PlanEntry, prefix string) {
	s.Mix = slices.Clone(s.Mix)
	for i, e := range entries {
		own := strings.TrimPrefix(e.Prefix, prefix)
		s.Mix[i].Prefix = &own
		s.Mix[i].Params = Params{}
		for name, value := range e.Params {
			s.Mix[i].Params[name] = Scalar{Text: value}
		}
	}
}

// SetParam sets a parameter of every entry that has it, as the command line does. It returns an
// error if no entry has it.
func (s *Scenario) SetParam(name, value string) error {
	known := false
	for i := range s.Mix {
		e := &s.Mix[i]
		entry, err := workloads.Find(e.Workload)
		if err != nil {
			return err
		}
		_, fs, err := entry.Configure(nil)
		if err != nil {
			return err
		}
		if fs.Lookup(name) == nil {
			continue
		}
		known = true
		if e.Params == nil {
			e.Params = Params{}
		}
		e.Params[name] = Scalar{Text: value}
	}
	if !known {
		return fmt.Errorf("--%s is not a parameter of %s", name, s.Name)
	}
	return nil
}
