package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

func newCompareCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "compare BASE... -- CANDIDATE...",
		Short: "put saved results side by side",
		Long: `Compares saved results, figure by figure: the change, a 95 % interval of it, and
better, worse, same or unresolved. With several runs a side, the interval is that
between runs; with one, that of its own seconds, which says less. To be believed
about a change, let "etcdbench gate" measure both sides in turns.`,
		Example: `  etcdbench compare results/monday -- results/tuesday
  etcdbench compare --format html a1 a2 a3 -- b1 b2 b3 > compared.html`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := report.Find(format)
			if err != nil {
				return usage(err)
			}
			c, err := readSides(args, cmd.ArgsLenAtDash())
			if err != nil {
				return usage(err)
			}
			if f.Name == "text" || f.Name == "html" {
				all := append(append([]report.Document{}, c.Base...), c.Candidate...)
				readProfiles(all, f.Name == "html")
				c.Base, c.Candidate = all[:len(c.Base)], all[len(c.Base):]
			}
			return report.WriteComparison(cmd.OutOrStdout(), f, c)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "one of "+report.Names())
	return cmd
}

// readSides reads the results before and after the dash; of two results without
// one, the first is the base.
func readSides(args []string, dash int) (report.Compared, error) {
	var c report.Compared
	if dash < 0 && len(args) == 2 {
		dash = 1
	}
	if dash < 1 || dash >= len(args) {
		return c, errors.New("compare needs two sides: the base's results, then --, then the candidate's")
	}
	docs, err := readDocuments(args)
	if err != nil {
		return c, err
	}
	c.Base, c.Candidate = docs[:dash], docs[dash:]
	c.Differences = results.Differences(c.Base[0].Run, c.Candidate[0].Run)
	for _, side := range [][]report.Document{c.Base, c.Candidate} {
		for _, d := range side[1:] {
			for _, what := range results.Differences(side[0].Run, d.Run) {
				c.Differences = append(c.Differences, fmt.Sprintf("%s (%s and %s, of one side)", what, side[0].ID, d.ID))
			}
		}
	}
	c.Rows, err = results.Compare(comparedRuns(c.Base), comparedRuns(c.Candidate))
	return c, err
}

func comparedRuns(docs []report.Document) []results.ComparedRun {
	var runs []results.ComparedRun
	for _, d := range docs {
		runs = append(runs, results.ComparedRun{Run: d.Run, Intervals: d.Intervals})
	}
	return runs
}
