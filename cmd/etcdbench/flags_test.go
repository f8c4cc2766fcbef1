package main

import (
	"testing"

	"github.com/spf13/pflag"
)

// What an experiment is asked goes to its runs by name: no flag of its own may have
// the name of one of theirs.
func TestExperimentsFlagsAreTheirOwn(t *testing.T) {
	run := pflag.NewFlagSet("run", pflag.ContinueOnError)
	(&runOptions{}).addFlags(run)
	load := pflag.NewFlagSet("load", pflag.ContinueOnError)
	(&runOptions{}).addLoadFlags(&flagGroups{all: load})
	// A gate with --history makes no runs.
	meant := map[string]bool{"history": true, "out": true, "output": true, "progress": true, "threshold": true}
	for name, add := range map[string]func(*pflag.FlagSet) *flagGroups{
		"tune": (&tuneOptions{}).addFlags, "capacity": (&capacityOptions{}).addFlags, "gate": (&gateOptions{}).addFlags,
	} {
		all := pflag.NewFlagSet(name, pflag.ContinueOnError)
		add(all)
		seen := 0
		all.VisitAll(func(f *pflag.Flag) {
			theirs := run.Lookup(f.Name)
			if load.Lookup(f.Name) == nil && theirs != nil && !meant[f.Name] {
				t.Errorf("%s --%s: a run has a flag of that name", name, f.Name)
			}
			if of := load.Lookup(f.Name); of != nil && !meant[f.Name] && of.Value.Type() != f.Value.Type() {
				t.Errorf("%s --%s is a %s, and a %s of a run's", name, f.Name, f.Value.Type(), of.Value.Type())
			}
			seen++
		})
		if seen < 20 {
			t.Errorf("%s: only %d flags", name, seen)
		}
	}
}
