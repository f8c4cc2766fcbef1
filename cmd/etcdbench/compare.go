package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

func newCompareCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "compare BASE... -- CANDIDATE...",
		Short: "compare saved runs",
		Long: `Compares saved runs, figure by figure: the change, its 95 % interval, and better,
worse, same or unresolved. With several runs per side, the interval covers the
variation between runs. With one run per side, it covers only the variation between
the seconds of these two runs, which is weaker evidence. Results of "etcdbench scale"
are compared size by size, with the curves of both sides overlaid. For conclusive
evidence of a change, use "etcdbench gate", which measures both sides in alternation.`,
		Example: `  etcdbench compare ` + resultsDir + `/monday -- ` + resultsDir + `/tuesday
  etcdbench compare --format html a1 a2 a3 -- b1 b2 b3 > compared.html
  etcdbench compare --format html scale-v3.6 scale-v3.7 > scales.html`,
		RunE: printing(func(cmd *cobra.Command, args []string) error {
			if scales, err := areScales(args); err != nil {
				return usage(err)
			} else if scales {
				return compareScales(cmd, args, format)
			}
			f, err := report.SideComparisons().Find(format)
			if err != nil {
				return usage(formatError(format, err))
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
			return f.Write(cmd.OutOrStdout(), c)
		}),
	}
	cmd.Flags().StringVar(&format, "format", "text", "report format: "+report.SideComparisons().Names())
	return cmd
}

// formatError returns the error for a format that comparisons do not support.
func formatError(format string, err error) error {
	if _, known := report.Find(format); known == nil {
		err = fmt.Errorf("%s is for single runs: use one of %s, or etcdbench report", format, report.SideComparisons().Names())
	}
	return fmt.Errorf("--format: %w", err)
}

// splitAt returns the number of arguments that belong to the base.
func splitAt(args []string, dash int) (int, error) {
	if dash < 0 && len(args) == 2 {
		dash = 1
	}
	if dash >= 0 {
		for _, arg := range args[min(dash, len(args)):] {
			if strings.HasPrefix(arg, "-") {
				return 0, fmt.Errorf("%s is after --, where only results are allowed: give flags before the results", arg)
			}
		}
	}
	if dash < 1 || dash >= len(args) {
		return 0, errors.New("compare needs two sides: the base's results, then --, then the candidate's")
	}
	return dash, nil
}

// readSides reads the results before and after the dash. Of two results without a dash, the
// first is the base.
func readSides(args []string, dash int) (report.Compared, error) {
	var c report.Compared
	dash, err := splitAt(args, dash)
	if err != nil {
		return c, err
	}
	docs, err := readRuns(args)
	if err != nil {
		return c, err
	}
	c.Base, c.Candidate = docs[:dash], docs[dash:]
	c.Differences = judge.Differences(c.Base[0].Run, c.Candidate[0].Run)
	for _, side := range [][]report.Document{c.Base, c.Candidate} {
		for _, d := range side[1:] {
			for _, what := range judge.Differences(side[0].Run, d.Run) {
				c.Differences = append(c.Differences, fmt.Sprintf("%s (%s and %s, of one side)", what, side[0].ID, d.ID))
			}
		}
	}
	c.Rows, err = judge.Compare(comparedRuns(c.Base), comparedRuns(c.Candidate))
	return c, err
}

// readRuns reads the runs of the paths. It refuses other results.
func readRuns(paths []string) ([]report.Document, error) {
	var docs []report.Document
	for _, path := range paths {
		saved, err := results.ReadDocument(path)
		switch {
		case err != nil:
			return nil, err
		case saved.Run == nil:
			return nil, fmt.Errorf("compare needs runs, and %s is %s: print it with etcdbench report %s", path, saved.Kind.Name(), path)
		}
		docs = append(docs, document(saved.Run, path))
	}
	return docs, nil
}

func comparedRuns(docs []report.Document) []judge.Run {
	var runs []judge.Run
	for _, d := range docs {
		runs = append(runs, judge.Run{Run: d.Run, Intervals: d.Intervals})
	}
	return runs
}
