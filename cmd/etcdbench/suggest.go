package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/results"
)

// commandNames returns the commands in the help.
func commandNames(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// nearestFlag suggests a flag of the command after an unknown flag.
func nearestFlag(cmd *cobra.Command, err error) string {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return ""
	}
	name := unknown.GetSpecifiedName()
	if name == "" || unknown.GetSpecifiedShortnames() != "" { // -rate: its first letter is taken for a flag
		name = strings.TrimLeft(unknown.GetSpecifiedShortnames(), "-")
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	suggestion := results.Nearest(name, names)
	return strings.Replace(suggestion, `"`, `"--`, 1)
}
