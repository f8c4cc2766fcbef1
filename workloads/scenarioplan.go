package workloads

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/results"
)

// Solo is the scenario of one workload alone, with the command line's phases.
func Solo(workload string, params map[string]string) *Scenario {
	prefix := ""
	p := Params{}
	for k, v := range params {
		p[k] = Scalar{Text: v}
	}
	return &Scenario{Name: workload, Mix: []MixEntry{{Name: workload, Workload: workload, Params: p, Prefix: &prefix}}}
}

// share is the entry's weight, or its rate.
func (e *MixEntry) share() float64 {
	switch {
	case e.Rate != nil:
		return *e.Rate
	case e.Weight != nil:
		return *e.Weight
	}
	return 1
}

// plan is the phase as the engine knows it.
func (p *Phase) plan() results.PlanPhase {
	ph := results.PlanPhase{Name: p.Name, Duration: time.Duration(p.Duration), Total: p.Total, Warmup: p.Warmup}
	ph.Load.Rate, ph.Load.RateEnd = p.Rate, p.RateEnd
	if ph.Load.Open() {
		ph.Load.Arrival = cmp.Or(p.Arrival, "constant")
	}
	return ph
}

// PlanPhases are the scenario's phases, none where it leaves them to the command
// line.
func (s *Scenario) PlanPhases() []results.PlanPhase {
	var phases []results.PlanPhase
	for i := range s.Phases {
		phases = append(phases, s.Phases[i].plan())
	}
	return phases
}

// MixRate is the rate that follows from the entries' rates, 0 where they have
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

// Entries are the mix as the plan has it, with full prefixes and every parameter.
func (s *Scenario) Entries(prefix string) ([]results.PlanEntry, error) {
	var list []results.PlanEntry
	for _, e := range s.Mix {
		own := e.Name + "/"
		if e.Prefix != nil {
			own = *e.Prefix
		} else if len(s.Mix) == 1 {
			own = ""
		}
		entry, err := Find(e.Workload)
		if err != nil {
			return nil, s.at(e.line, err)
		}
		d, fs, err := entry.define(e.Params.Texts())
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
		list = append(list, results.PlanEntry{Name: e.Name, Workload: e.Workload, Weight: e.share(), Prefix: prefix + own, Params: params})
	}
	return list, s.checkShared(list)
}

// Populate is the population as the plan has it, with full prefixes.
func (s *Scenario) Populate(prefix string) ([]results.PlanPopulation, error) {
	var list []results.PlanPopulation
	for _, p := range s.Population {
		values, keys := Values{Size: p.ValSize, Content: "random"}, Keys{Size: p.KeySize, Space: p.Keys, Distribution: "sequential", Theta: 0.5, HotKeys: 1}
		if err := errors.Join(keys.validate(prefix+p.Prefix), values.validate(p.KeySize)); err != nil {
			return nil, s.at(p.line, fmt.Errorf("population %s: %s", p.Prefix, strings.ReplaceAll(err.Error(), "--", "")))
		}
		list = append(list, results.PlanPopulation{Prefix: prefix + p.Prefix, Keys: p.Keys, KeySize: p.KeySize, ValSize: p.ValSize})
	}
	return list, nil
}

// Parts binds the entries of a plan to their definitions.
func Parts(entries []results.PlanEntry) ([]Part, error) {
	var parts []Part
	for _, e := range entries {
		p, err := newPart(e.Workload, e.Params, e.Prefix)
		if err != nil {
			return nil, err
		}
		p.Name, p.Weight = e.Name, e.Weight
		parts = append(parts, p)
	}
	return parts, nil
}

// SetPhases replaces the phases.
func (s *Scenario) SetPhases(phases []results.PlanPhase) {
	s.Phases = nil
	for _, ph := range phases {
		p := Phase{Name: ph.Name, Duration: Duration(ph.Duration), Total: ph.Total, Rate: ph.Load.Rate, RateEnd: ph.Load.RateEnd, Arrival: ph.Load.Arrival, Warmup: ph.Warmup}
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

// SetParam sets a parameter of every entry that has it, as the command line does.
func (s *Scenario) SetParam(name, value string) error {
	known := false
	for i := range s.Mix {
		e := &s.Mix[i]
		entry, err := Find(e.Workload)
		if err != nil {
			return err
		}
		fs := pflag.NewFlagSet(e.Workload, pflag.ContinueOnError)
		entry.Define().AddFlags(fs)
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
		return fmt.Errorf("--%s is no parameter of %s", name, s.Name)
	}
	return nil
}
