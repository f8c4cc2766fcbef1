package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "print the versions of etcdbench, etcd and Go",
		Example: "  etcdbench version",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := machine.Describe(cmd.Context())
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "etcdbench %s\nrevision  %s\netcd      %s\ngo        %s %s/%s\nschema    %s\n",
				e.Tool, e.Revision, e.EtcdClient, e.Go, e.OS, e.Arch, results.Schema)
			return err
		},
	}
}

// noArgs refuses arguments, as a usage error.
func noArgs(cmd *cobra.Command, args []string) error { return usage(cobra.NoArgs(cmd, args)) }
