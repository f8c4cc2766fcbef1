package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/workloads"
)

func newWorkloadsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "workloads [NAME]",
		Short:   "list the workloads, or one workload's parameters",
		Example: "  etcdbench workloads\n  etcdbench workloads range",
		Args: func(cmd *cobra.Command, args []string) error {
			return usage(cobra.MaximumNArgs(1)(cmd, args))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			if len(args) == 0 {
				for _, e := range workloads.All() {
					fmt.Fprintf(out, "%-10s %s\n", e.Name, e.Summary)
				}
				return nil
			}
			e, err := workloads.Find(args[0])
			if err != nil {
				return usage(err)
			}
			fs := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
			e.Define().AddFlags(fs)
			_, err = fmt.Fprintf(out, "%s: %s\n%s\n\n%s", e.Name, e.Summary, e.Measures, fs.FlagUsages())
			return err
		},
	}
}
