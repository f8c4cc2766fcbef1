package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/workloads"
)

// flagGroups are a command's flags under headings, for commands with many.
type flagGroups struct {
	all    *pflag.FlagSet
	titles []string
	groups []*pflag.FlagSet
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

// addWorkloads registers the parameters of all workloads, under the names of
// those that know them, and returns their flags.
func (g *flagGroups) addWorkloads() (added []*pflag.FlagSet) {
	var order []string
	flags := map[string]*pflag.Flag{}
	users := map[string][]string{}
	differ := map[string]bool{} // whose defaults are not the same for all
	for _, e := range workloads.All() {
		own := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
		own.SortFlags = false
		e.Define().AddFlags(own)
		own.VisitAll(func(f *pflag.Flag) {
			switch known := flags[f.Name]; {
			case known == nil:
				flags[f.Name] = f
				order = append(order, f.Name)
			case known.DefValue != f.DefValue && !differ[f.Name]:
				differ[f.Name] = true
				known.Usage += " (default: see etcdbench workloads NAME)"
			}
			users[f.Name] = append(users[f.Name], e.Name)
		})
	}
	for name := range differ {
		flags[name].DefValue = zeroValue(flags[name].Value.Type())
	}
	titleOf := func(name string) string {
		if len(users[name]) > 2 {
			return "Several workloads"
		}
		return "Workload " + strings.Join(users[name], ", ")
	}
	done := map[string]bool{}
	for _, name := range order {
		title := titleOf(name)
		if done[title] {
			continue
		}
		done[title] = true
		g.add(title, func(fs *pflag.FlagSet) {
			for _, other := range order {
				if titleOf(other) == title {
					fs.AddFlag(flags[other])
				}
			}
			added = append(added, fs)
		})
	}
	return added
}

// zeroValue is the default that help does not show.
func zeroValue(kind string) string {
	switch kind {
	case "string":
		return ""
	case "bool":
		return "false"
	case "duration":
		return "0s"
	}
	return "0"
}

// usage prints how a command is used, group by group.
func (g *flagGroups) usage(cmd *cobra.Command) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "Usage:\n  %s\n\nExamples:\n%s\n", cmd.UseLine(), cmd.Example)
	for i, fs := range g.groups {
		fmt.Fprintf(out, "\n%s:\n%s", g.titles[i], fs.FlagUsages())
	}
	return nil
}
