package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// notAskedFlags are the flags that are not part of what an experiment was asked.
var notAskedFlags = [...]string{"resume", "out", "output", "progress"}

// experiment is what an experiment was asked: its scenario, and its flags by name.
type experiment struct {
	Scenario string              `json:"scenario,omitempty"`
	Flags    map[string][]string `json:"flags"`
}

// experimentFile keeps it, for --resume.
const experimentFile = "experiment.json"

// announced is how long a run is that is told of when it begins, and not only when it
// is done.
const announced = 30 * time.Second

// loadExperiment sets the flags of the experiment that is to be resumed. Only those
// in free may be given anew.
func loadExperiment(dir string, fs *pflag.FlagSet, free []string) (experiment, error) {
	var e experiment
	data, err := os.ReadFile(filepath.Join(dir, experimentFile))
	if err != nil {
		return e, fmt.Errorf("--resume: %w", err)
	}
	if err := json.Unmarshal(data, &e); err != nil {
		return e, fmt.Errorf("--resume: %s: %w", experimentFile, err)
	}
	fs.Visit(func(f *pflag.Flag) {
		if !slices.Contains(free, f.Name) && err == nil {
			err = fmt.Errorf("--resume goes on as it began: leave out --%s", f.Name)
		}
	})
	if err != nil {
		return e, err
	}
	for name, values := range e.Flags {
		if fs.Lookup(name) == nil {
			return e, fmt.Errorf("--resume: %s has an unknown flag %q", experimentFile, name)
		}
		for _, v := range values {
			if err := setFlag(fs, name, v); err != nil {
				return e, fmt.Errorf("--resume: %s: %w", name, err)
			}
		}
	}
	return e, nil
}

// scenarioOf is the scenario of an experiment: the one that is named, the put without
// a name, or that of the experiment that is resumed, whose flags are set, too.
func scenarioOf(args []string, resume string, fs *pflag.FlagSet) (string, error) {
	switch {
	case resume == "" && len(args) == 0:
		return "put", nil
	case resume == "":
		return args[0], nil
	case len(args) > 0:
		return "", errors.New("--resume goes on as it began: leave out the scenario")
	}
	e, err := loadExperiment(resume, fs, notAskedFlags[:])
	return e.Scenario, err
}

// saveExperiment makes the directory of an experiment and keeps there what it was
// asked. It refuses one that holds an experiment already.
func saveExperiment(dir, scenario string, fs *pflag.FlagSet, free []string) error {
	if _, err := os.Stat(filepath.Join(dir, experimentFile)); err == nil {
		return fmt.Errorf("%s holds an experiment already: go on with it with --resume %s", dir, dir)
	}
	e := experiment{Scenario: scenario, Flags: map[string][]string{}}
	fs.Visit(func(f *pflag.Flag) {
		if slices.Contains(free, f.Name) {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			e.Flags[f.Name] = list.GetSlice()
			return
		}
		e.Flags[f.Name] = []string{f.Value.String()}
	})
	data, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, experimentFile), append(data, '\n'), 0o644)
}

// saveExperimentResult writes an experiment's document, and its page beside it.
func saveExperimentResult(dir, name string, document any, page func(w io.Writer) error) error {
	data, err := results.Encode(document)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, pageFile))
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return errors.Join(page(file), file.Close())
}

// notFinished says in a document why there is no more of it.
func notFinished(err error) string { return "not finished: " + strings.TrimSpace(err.Error()) }

// unfinished is the error of an experiment that ended early, and how to go on with it.
func unfinished(err error, done int, what, dir string) error {
	made := english.Plural(done, what, "")
	if errors.Is(err, bench.ErrInterrupted) {
		return exitError{exitInterrupted, fmt.Errorf("interrupted, with %s done: go on with --resume %s", made, dir)}
	}
	return fmt.Errorf("with %s done: %s; go on with --resume %s", made, strings.TrimSpace(err.Error()), dir)
}
