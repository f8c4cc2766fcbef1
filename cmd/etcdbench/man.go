package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/etcdbench/etcdbench/bench/machine"
)

// newManCommand is hidden: only packagers need it.
func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "man DIRECTORY",
		Short:  "write the manual pages",
		Hidden: true,
		Long: `Writes a manual page in section 1 for each command into DIRECTORY. SOURCE_DATE_EPOCH
sets the date of the pages.`,
		Example: "  etcdbench man /usr/local/share/man/man1",
		Args:    func(cmd *cobra.Command, args []string) error { return usage(cobra.ExactArgs(1)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make directory: %w", err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "ETCDBENCH", Section: "1", Source: "etcdbench " + machine.Version, Manual: "etcdbench"}
			if err := doc.GenManTree(root, header, args[0]); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return nil
		},
	}
}
