// Package experiment contains the common parts of all experiments: the directory, the
// document with its request, which allows to resume it, and the planned runs. An experiment is
// a sequence of runs whose specifications are derived from one, and a judgement over them.
package experiment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// Schema is the version of an experiment's document.
const Schema = "etcdbench.experiment/v1"

// File is the name of the document in an experiment's directory.
const File = results.ExperimentFile

// Announced is the length of a run from which on it is announced when it begins, and not only
// when it is complete.
const Announced = 30 * time.Second

// Effort is the amount of time that an experiment takes.
type Effort string

// The efforts: the empty one is the standard, Quick gives a first estimate, Thorough takes
// hours.
const (
	Standard Effort = ""
	Quick    Effort = "quick"
	Thorough Effort = "thorough"
)

// Document is the request of an experiment. Options are the options of its kind.
type Document[Options any] struct {
	Schema string `json:"schema"`
	// Kind is "gate", "qualify", "capacity", "tune" or "published".
	Kind    string      `json:"kind"`
	Spec    runner.Spec `json:"spec"`
	Options Options     `json:"options"`
}

// Planned is a planned run, or several equal ones.
type Planned struct {
	Name string `json:"name"`
	// Count is the largest number of runs.
	Count int         `json:"count"`
	Spec  runner.Spec `json:"spec"`
	// Length is the duration of one run.
	Length time.Duration `json:"length_ns"`
}

// Plan is the list of all planned runs.
type Plan struct {
	Runs []Planned `json:"runs"`
}

// Length returns the duration of all runs together.
func (p Plan) Length() (sum time.Duration) {
	for _, r := range p.Runs {
		sum += time.Duration(r.Count) * r.Length
	}
	return sum
}

// diskProbe is the duration of the disk probe before each run.
const diskProbe = 200 * time.Millisecond

// Derive returns a copy of the base specification for one run of an experiment: without a
// proof unless it requests one, with a short disk probe, and with the experiment's prefix. All
// runs have the same prefix, so that their keys are equal.
func Derive(base runner.Spec, prefix string) runner.Spec {
	s := base.Clone()
	SetDefault(&s.Verify, false)
	if s.Prefix == "" {
		s.Prefix = prefix
	}
	if !s.Cluster.Running() {
		SetDefault(&s.Cluster.Start.DiskProbe, diskProbe)
	}
	return s
}

// SetDefault sets a field that is nil to the value.
func SetDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// ErrExists is the error for a directory that contains an experiment already.
var ErrExists = errors.New("already contains an experiment")

// Save creates the directory and saves the document in it. It returns [ErrExists] if the
// directory contains an experiment.
func Save[Options any](dir string, d Document[Options]) error {
	d.Schema = Schema
	path := filepath.Join(dir, File)
	if _, err := os.Stat(path); err == nil {
		return fmt.Errorf("%s %w: continue it with --resume %s", dir, ErrExists, dir)
	}
	data, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("encode experiment: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make experiment directory: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("save experiment: %w", err)
	}
	return nil
}

// maxDocument is the largest size of a document, in bytes. The largest part of a document is a
// scenario.
const maxDocument = 4 << 20

// Load reads the document of an experiment of this kind. Unknown fields are an error, because
// they may change the meaning.
func Load[Options any](dir, kind string) (Document[Options], error) {
	var d Document[Options]
	path := filepath.Join(dir, File)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return d, fmt.Errorf("%s holds no experiment: there is no %s", dir, File)
	case err != nil:
		return d, fmt.Errorf("read experiment: %w", err)
	case !info.Mode().IsRegular() || info.Size() > maxDocument:
		return d, fmt.Errorf("read experiment: %s is not the document of an experiment", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return d, fmt.Errorf("read experiment: %w", err)
	}
	var head struct {
		Schema string `json:"schema"`
		Kind   string `json:"kind"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	switch {
	case head.Schema != Schema:
		return d, fmt.Errorf("%s: this etcdbench reads schema %[3]q, not %[2]q", path, head.Schema, Schema)
	case head.Kind != kind:
		return d, fmt.Errorf("%s is a %s, not a %s: resume it with etcdbench %s", dir, head.Kind, kind, head.Kind)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// Authorize compares a saved specification with the user's current flags. A saved experiment
// starts no program that the current flags do not name. Values of the members' environment are
// not saved: Authorize takes them from the current flags. side is the flag of one of two sides,
// such as --candidate, or empty.
func Authorize(saved *runner.Spec, current runner.Spec, side string) error {
	binary, variable := "--etcd-binary ", "--member-env "
	if side != "" {
		binary, variable = side+" binary=", side+" env:"
	}
	s := &saved.Cluster.Start
	if s.Binary != "" && current.Cluster.Start.Binary != s.Binary {
		return fmt.Errorf("--resume: the experiment starts the program %s: confirm it with %s%s", s.Binary, binary, s.Binary)
	}
	given := map[string]string{}
	for _, v := range current.Cluster.Start.Env {
		given[v.Name] = v.Value
	}
	for i, v := range s.Env {
		value, ok := given[v.Name]
		if !ok {
			return fmt.Errorf("--resume: values of the members' environment are not saved: give the value of %s again with %s%s=VALUE",
				v.Name, variable, v.Name)
		}
		s.Env[i].Value = value
	}
	return nil
}
