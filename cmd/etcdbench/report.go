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
	"github.com/etcdbench/etcdbench/results/judge"
)

// reportOptions select the results and the format.
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
		Long: `Prints saved results: runs, gates, capacity searches, tunings and scale experiments.
Give each as its directory or as its file: run.json, intervals.jsonl, verdict.json,
capacity.json, tuning.json, published.json or scale.json. A run without run.json is
rebuilt from its journal and marked partial. With --format html, several runs are
overlaid on one page, and their profiles are compared. With --history, runs are shown
over time. Nothing in the directories is changed.`,
		Example: `  etcdbench report ` + resultsDir + `/20261120-101500-a1b2c3
  etcdbench report --format html ` + resultsDir + `/2026* > report.html
  etcdbench report --format junit ` + resultsDir + `/gate-20261120-101500-a1b2c3 > gate.xml
  etcdbench report --history ` + resultsDir,
		RunE: printing(func(cmd *cobra.Command, args []string) error {
			f, err := o.validate(args)
			if err != nil {
				return usage(err)
			}
			if o.history != "" {
				return o.writeHistory(cmd.OutOrStdout())
			}
			return o.writeItems(f, args, cmd.OutOrStdout())
		}),
	}
	cmd.Flags().StringVar(&o.format, "format", "text", "report format: "+report.Names()+"; for experiments: "+report.Verdicts().Names())
	cmd.Flags().StringVar(&o.history, "history", "",
		"show the runs in this `directory` over time, without those of experiments; formats: text, html")
	cmd.Flags().StringVar(&o.dir, "dir", "", "write a file for each operation into this `directory` (needs --format perfdash)")
	return cmd
}

func (o *reportOptions) validate(args []string) (report.Format, error) {
	f, err := report.Find(o.format)
	switch {
	case err != nil:
		return f, fmt.Errorf("--format: %w", err)
	case o.history != "" && len(args) > 0:
		return f, errors.New("--history reads the runs of its directory: remove the other results")
	case o.history != "" && !slices.Contains(report.HistoryFormats(), f.Name):
		return f, fmt.Errorf("--history supports the formats %s, not %s", strings.Join(report.HistoryFormats(), " or "), f.Name)
	case o.history == "" && len(args) == 0:
		return f, errors.New("report needs a result: the directory of a run or an experiment, or the file in it")
	case o.dir != "" && (f.Files == nil || o.history != ""):
		return f, fmt.Errorf("--dir needs --format perfdash")
	}
	return f, nil
}

// writeItems prints the results of the paths.
func (o *reportOptions) writeItems(f report.Format, paths []string, stdout io.Writer) error {
	items, err := readItems(paths)
	if err != nil {
		return usage(err)
	}
	if err := report.CheckItems(f.Name, items); err != nil {
		return usage(err)
	}
	if slices.Contains([]string{"text", "html"}, f.Name) {
		for _, item := range items {
			readProfiles(item.Runs, f.Name == "html")
		}
	}
	if o.dir != "" {
		return o.writeFiles(f, items[0].Runs, stdout)
	}
	return report.WriteItems(stdout, f.Name, items)
}

// readItems reads results of any kind. Consecutive runs are one item.
func readItems(paths []string) ([]report.Item, error) {
	var items []report.Item
	for _, path := range paths {
		saved, err := results.ReadDocument(path)
		if err != nil {
			return nil, err
		}
		switch last := len(items) - 1; {
		case saved.Run == nil:
			items = append(items, report.Item{Saved: saved})
		case last >= 0 && len(items[last].Runs) > 0:
			items[last].Runs = append(items[last].Runs, document(saved.Run, path))
		default:
			items = append(items, report.Item{Runs: []report.Document{document(saved.Run, path)}})
		}
	}
	return items, nil
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
	changes, err := judge.HistoryChanges(runs, nil)
	if err != nil {
		notes = append(notes, "changes in level not searched: "+err.Error())
	}
	return report.WriteHistory(stdout, o.format, runs, changes, notes)
}

// writeFiles writes the files of a format and prints their paths. It never overwrites a file.
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

// document returns a result with a function that reads its intervals.
func document(run *results.Run, path string) report.Document {
	return report.Document{Run: run, Path: path, Intervals: func(each func(*results.Interval) error) error {
		return results.EachInterval(path, each)
	}}
}

// writePage writes a run's HTML report beside its result.
func writePage(d report.Document) (err error) {
	f, err := report.Find("html")
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(d.Path, results.PageFile))
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	docs := []report.Document{d}
	readProfiles(docs, true)
	w := bufio.NewWriter(file)
	return errors.Join(f.Write(w, docs), w.Flush())
}
