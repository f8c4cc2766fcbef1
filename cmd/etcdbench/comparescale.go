package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// areScales reports whether the first of the results is one of a scale experiment.
func areScales(args []string) (bool, error) {
	if len(args) == 0 {
		return false, nil
	}
	saved, err := results.ReadDocument(args[0])
	return saved.Scale != nil, err
}

// compareScales compares the results of scale experiments.
func compareScales(cmd *cobra.Command, args []string, format string) error {
	f, err := report.ScaleComparisons().Find(format)
	if err != nil {
		return usage(fmt.Errorf("--format: %w", err))
	}
	dash, err := splitAt(args, cmd.ArgsLenAtDash())
	if err != nil {
		return usage(err)
	}
	var all []*results.Scale
	for _, path := range args {
		saved, err := results.ReadDocument(path)
		switch {
		case err != nil:
			return usage(err)
		case saved.Scale == nil:
			return usage(fmt.Errorf("compare needs results of one kind: %s is %s, and %s is a scale experiment", path, saved.Kind.Name(), args[0]))
		}
		all = append(all, saved.Scale)
	}
	c := report.ScaleCompared{Base: all[:dash], Candidate: all[dash:], Rows: judge.CompareScales(all[:dash], all[dash:])}
	if len(c.Rows) == 0 {
		return usage(errors.New("nothing to compare: the results of scale have no size of a rung in common"))
	}
	c.Differences = judge.ScaleDifferences(c.Base[0], c.Candidate[0])
	return f.Write(cmd.OutOrStdout(), c)
}
