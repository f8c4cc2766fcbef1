package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/results"
)

// printing returns a command that only reads and prints. It has nothing to save, so it ends at the
// first signal. A journal that cannot be read is an error of usage, like any other result that cannot.
func printing(run func(cmd *cobra.Command, args []string) error) func(cmd *cobra.Command, args []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ended := make(chan error, 1)
		go func() { ended <- run(cmd, args) }()
		select {
		case err := <-ended:
			if _, unreadable := errors.AsType[*results.JournalError](err); unreadable {
				return usage(err)
			}
			return err
		case <-cmd.Context().Done():
			return fmt.Errorf("%s: %w", cmd.Name(), context.Cause(cmd.Context()))
		}
	}
}
