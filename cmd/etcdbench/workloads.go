package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

func newWorkloadsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "workloads [NAME]",
		Short: "list workloads, scenarios and disturbances, or explain one",
		Long: `Lists the workloads, the built-in scenarios and the disturbances. With NAME, prints
what the workload measures and its parameters, or the file of the scenario.`,
		Example: "  etcdbench workloads\n  etcdbench workloads range\n  etcdbench workloads kubernetes > mine.yaml",
		Args: func(cmd *cobra.Command, args []string) error {
			return usage(cobra.MaximumNArgs(1)(cmd, args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listLoads(cmd.OutOrStdout())
			}
			return explainLoad(cmd.OutOrStdout(), args[0])
		},
	}
}

func listLoads(out io.Writer) error {
	var b strings.Builder
	b.WriteString("Workloads:\n")
	for _, e := range workloads.All() {
		fmt.Fprintf(&b, "  %-18s %s\n", e.Name, e.Summary)
	}
	b.WriteString("\nScenarios:\n")
	for _, name := range scenario.BuiltIn() {
		s, err := scenario.Find(name, nil)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "  %-18s %s\n", name, s.Summary)
	}
	b.WriteString("\nDisturbances (run --disturb KIND@AT[/EVERY]):\n")
	for _, e := range workloads.Disturbances() {
		fmt.Fprintf(&b, "  %-18s %s\n", e.Name, e.Summary)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func explainLoad(out io.Writer, name string) error {
	if e, err := workloads.Find(name); err == nil {
		fs := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
		e.Define().AddFlags(fs)
		_, err = fmt.Fprintf(out, "%s: %s\n%s\n\n%s", e.Name, e.Summary, e.Measures, fs.FlagUsages())
		return err
	}
	if data, err := scenario.Text(name); err == nil {
		_, err = out.Write(data)
		return err
	}
	if e, err := workloads.FindDisturbance(name); err == nil {
		fs := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
		e.Define().AddFlags(fs)
		_, err = fmt.Fprintf(out, "%s: %s\n\n%s", e.Name, e.Summary, fs.FlagUsages())
		return err
	}
	_, err := scenario.Find(name, nil)
	if err == nil {
		err = errors.New("give the name of a workload, a built-in scenario or a disturbance")
	}
	return usage(err)
}
