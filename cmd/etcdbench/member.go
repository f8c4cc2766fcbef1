package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// newMemberCommand is the hidden command of a member process.
func newMemberCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "member",
		Short:              "run one member; started by other commands",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := cluster.MemberMain(args, cmd.InOrStdin(), cmd.ErrOrStderr()); code != 0 {
				return exitError{code, errors.New("")}
			}
			return nil
		},
	}
}
