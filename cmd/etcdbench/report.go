package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

func newReportCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "report RESULT...",
		Short: "print saved results",
		Long: `Prints results: run directories, run.json files or journals. A run that did not
come to its end is rebuilt from its journal and marked partial.`,
		Example: "  etcdbench report results/20261120-101500-a1b2c3\n  etcdbench report --format json out/run.json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(fmt.Errorf("report needs a result: a run's directory or its run.json"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := report.Find(format)
			if err != nil {
				return usage(err)
			}
			var docs []report.Document
			for _, path := range args {
				run, err := results.Read(path)
				if err != nil {
					return usage(err)
				}
				docs = append(docs, document(run, path))
			}
			return f.Write(cmd.OutOrStdout(), docs)
		},
	}
	cmd.Flags().StringVar(&format, "format", "text", "one of "+report.Names())
	return cmd
}

// document is a result with the way to its intervals.
func document(run *results.Run, path string) report.Document {
	return report.Document{Run: run, Path: path, Intervals: func(each func(*results.Interval) error) error {
		return results.EachInterval(path, each)
	}}
}

// pageFile is the HTML report in a run's directory.
const pageFile = "report.html"

// writePage writes a run's HTML report beside its result.
func writePage(d report.Document) (err error) {
	f, err := report.Find("html")
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(d.Path, pageFile))
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	w := bufio.NewWriter(file)
	return errors.Join(f.Write(w, []report.Document{d}), w.Flush())
}
