package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// reportOptions say what is printed, and how.
type reportOptions struct {
	format  string
	history string
	dir     string
}

func newReportCommand() *cobra.Command {
	o := &reportOptions{}
	cmd := &cobra.Command{
		Use:   "report RESULT...",
		Short: "print saved results",
		Long: `Prints results: run directories, run.json files or journals. A run that did not
come to its end is rebuilt from its journal and marked partial. Several results
are laid over each other on one page (--format html), and their profiles
compared; --history shows how runs went over time.`,
		Example: `  etcdbench report results/20261120-101500-a1b2c3
  etcdbench report --format html results/* > report.html
  etcdbench report --history results`,
		RunE: func(cmd *cobra.Command, args []string) error {
			f, err := o.validate(args)
			if err != nil {
				return usage(err)
			}
			if o.history != "" {
				return o.writeHistory(cmd.OutOrStdout())
			}
			docs, err := readDocuments(args)
			if err != nil {
				return usage(err)
			}
			if slices.Contains([]string{"text", "html"}, f.Name) {
				readProfiles(docs, f.Name == "html")
			}
			if o.dir != "" {
				return o.writeFiles(f, docs, cmd.OutOrStdout())
			}
			return f.Write(cmd.OutOrStdout(), docs)
		},
	}
	cmd.Flags().StringVar(&o.format, "format", "text", "one of "+report.Names())
	cmd.Flags().StringVar(&o.history, "history", "", "show how the runs in this `directory` went: text or html")
	cmd.Flags().StringVar(&o.dir, "dir", "", "write a file for each operation into this `directory`: perfdash")
	return cmd
}

func (o *reportOptions) validate(args []string) (report.Format, error) {
	f, err := report.Find(o.format)
	switch {
	case err != nil:
		return f, err
	case o.history != "" && len(args) > 0:
		return f, errors.New("--history takes the runs from its directory: leave out the others")
	case o.history != "" && !slices.Contains(report.HistoryFormats(), f.Name):
		return f, fmt.Errorf("--history comes as %s, not as %s", strings.Join(report.HistoryFormats(), " or "), f.Name)
	case o.history == "" && len(args) == 0:
		return f, errors.New("report needs a result: a run's directory or its run.json")
	case o.dir != "" && (f.Files == nil || o.history != ""):
		return f, fmt.Errorf("--dir is for --format perfdash, which has names for its files")
	}
	return f, nil
}

func readDocuments(paths []string) ([]report.Document, error) {
	var docs []report.Document
	for _, path := range paths {
		run, err := results.Read(path)
		if err != nil {
			return nil, err
		}
		docs = append(docs, document(run, path))
	}
	return docs, nil
}

func (o *reportOptions) writeHistory(stdout io.Writer) error {
	runs, skipped, err := results.History(o.history)
	if err != nil {
		return usage(err)
	}
	var notes []string
	for _, err := range skipped {
		notes = append(notes, err.Error())
	}
	changes, err := results.HistoryChanges(runs, nil)
	if err != nil {
		notes = append(notes, "changes were not looked for: "+err.Error())
	}
	return report.WriteHistory(stdout, o.format, runs, changes, notes)
}

// writeFiles writes the files of a format and prints their paths. It overwrites
// nothing.
func (o *reportOptions) writeFiles(f report.Format, docs []report.Document, stdout io.Writer) error {
	files, err := f.Files(docs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	for _, file := range files {
		path := filepath.Join(o.dir, file.Name)
		out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
		if err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
		_, err = out.Write(file.Data)
		if err := errors.Join(err, out.Close()); err != nil {
			return fmt.Errorf("--dir: %w", err)
		}
		fmt.Fprintln(stdout, path)
	}
	return nil
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
	docs := []report.Document{d}
	readProfiles(docs, true)
	w := bufio.NewWriter(file)
	return errors.Join(f.Write(w, docs), w.Flush())
}
