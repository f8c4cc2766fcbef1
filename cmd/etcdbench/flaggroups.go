package main

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// flagGroups are the flags of a command under headings.
type flagGroups struct {
	all    *pflag.FlagSet
	titles []string
	groups []*pflag.FlagSet
	// parameters marks the group of the parameters of the load, which help shows for one load at a
	// time.
	parameters *pflag.FlagSet
}

// add registers flags with the command, under a heading.
func (g *flagGroups) add(title string, register func(*pflag.FlagSet)) {
	fs := pflag.NewFlagSet(title, pflag.ContinueOnError)
	fs.SortFlags = false
	register(fs)
	g.all.AddFlagSet(fs)
	g.titles = append(g.titles, title)
	g.groups = append(g.groups, fs)
}

// addWorkloads registers the parameters of all workloads.
func (g *flagGroups) addWorkloads() *pflag.FlagSet {
	g.add("Parameters", func(fs *pflag.FlagSet) {
		g.parameters = fs
		for _, e := range workloads.All() {
			own := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
			own.SortFlags = false
			e.Define().AddFlags(own)
			own.VisitAll(func(f *pflag.Flag) {
				if fs.Lookup(f.Name) == nil {
					fs.AddFlag(f)
				}
			})
		}
	})
	return g.parameters
}

// hide removes refused flags from the help of the command.
func (g *flagGroups) hide(names ...string) {
	for _, name := range names {
		g.all.Lookup(name).Hidden = true
	}
}

// usage prints the usage of a command, group by group, with the parameters of the load in its
// argument.
func (g *flagGroups) usage(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	columns := 0
	if s, ok := out.(report.Screen); ok {
		columns = s.Columns
	}
	fmt.Fprintf(out, "Usage:\n  %s\n\nExamples:\n%s\n", cmd.UseLine(), cmd.Example)
	for i, fs := range g.groups {
		if fs == g.parameters {
			g.loadUsage(out, cmd, columns)
			continue
		}
		fmt.Fprintf(out, "\n%s:\n%s", g.titles[i], fs.FlagUsagesWrapped(columns))
	}
	return nil
}

// loadUsage prints the parameters of one workload or scenario.
func (g *flagGroups) loadUsage(out io.Writer, cmd *cobra.Command, columns int) {
	name := argument(cmd.Flags().Args(), runner.DefaultScenario)
	others := "for others: " + cmd.CommandPath() + " NAME --help"
	if e, err := workloads.Find(name); err == nil {
		own := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
		own.SortFlags = false
		e.Define().AddFlags(own)
		fmt.Fprintf(out, "\nParameters of %s (%s):\n%s", name, others, own.FlagUsagesWrapped(columns))
		return
	}
	s, err := scenario.Find(name, nil)
	if err != nil {
		fmt.Fprintf(out, "\nParameters: %s\n", others)
		return
	}
	fmt.Fprintf(out, "\nParameters of %s (%s):\n", name, others)
	for _, p := range slices.Sorted(maps.Keys(s.Parameters)) {
		fmt.Fprintf(out, "      --param %s=%g   %s\n", p, s.Given[p], s.Parameters[p].Help)
	}
}
