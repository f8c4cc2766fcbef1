// Package experiment is what all experiments have in common: the directory in which
// one is kept, the document that says what it was asked, so that it can be resumed,
// and the runs that it is going to make. An experiment is a sequence of runs whose
// specifications are derived from one, and a judgement over them.
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

// Schema names the version of an experiment's document.
const Schema = "etcdbench.experiment/v1"

// File is the name of the document in an experiment's directory.
const File = results.ExperimentFile

// Announced is how long a run is that is announced when it begins, and not only when
// it is done.
const Announced = 30 * time.Second

// Effort is how much time an experiment takes.
type Effort string

// The efforts: the empty one is the standard, Quick gives a first estimate, Thorough takes
// hours.
const (
	Standard Effort = ""
	Quick    Effort = "quick"
	Thorough Effort = "thorough"
)

// Document is the request of an experiment. Options are the experiment's own.
type Document[Options any] struct {
	Schema string `json:"schema"`
	// Kind is "gate", "qualify", "capacity", "tune" or "published".
	Kind    string      `json:"kind"`
	Spec    runner.Spec `json:"spec"`
	Options Options     `json:"options"`
}

// Planned is a run that an experiment is going to make, or several that are alike.
type Planned struct {
	Name string `json:"name"`
	// Count is how many there are, at most.
	Count int         `json:"count"`
	Spec  runner.Spec `json:"spec"`
	// Length is how long one takes in all.
	Length time.Duration `json:"length_ns"`
}

// Plan is everything that an experiment is going to do.
type Plan struct {
	Runs []Planned `json:"runs"`
}

// Length is how long the runs take together.
func (p Plan) Length() (sum time.Duration) {
	for _, r := range p.Runs {
		sum += time.Duration(r.Count) * r.Length
	}
	return sum
}

// diskProbe is the duration of the disk probe before each run.
const diskProbe = 200 * time.Millisecond

// Derive returns a copy of the base specification for one run of an experiment: without
// a proof unless it asks for one, with the experiment's prefix, which is the same for
// all runs so that their keys are, and with a short look at the disk.
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

// SetDefault sets a field that the base specification leaves open.
func SetDefault[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

// ErrExists says that a directory holds an experiment already.
var ErrExists = errors.New("holds an experiment already")

// Save makes the directory and keeps the document there. It refuses a directory that
// holds an experiment.
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

// maxDocument bounds what is read: ours hold a scenario at most.
const maxDocument = 4 << 20

// Load reads the document of an experiment of this kind. Fields that it does not know
// are an error: they may be what makes the difference.
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
		return d, fmt.Errorf("read experiment: %s is no document of an experiment", path)
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
		return d, fmt.Errorf("%s: schema %q is not known to this etcdbench, which reads %q", path, head.Schema, Schema)
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

// Authorize compares a saved specification with what its user gives once more: a saved
// experiment starts no program that is not named again, and values of the members'
// environment are not saved. It fills the values in. side is the flag of one of two
// sides, such as --candidate, or empty.
func Authorize(saved *runner.Spec, again runner.Spec, side string) error {
	binary, variable := "--etcd-binary ", "--member-env "
	if side != "" {
		binary, variable = side+" binary=", side+" env:"
	}
	s := &saved.Cluster.Start
	if s.Binary != "" && again.Cluster.Start.Binary != s.Binary {
		return fmt.Errorf("--resume: the experiment starts the program %s: confirm it with %s%s", s.Binary, binary, s.Binary)
	}
	given := map[string]string{}
	for _, v := range again.Cluster.Start.Env {
		given[v.Name] = v.Value
	}
	for i, v := range s.Env {
		value, ok := given[v.Name]
		if !ok {
			return fmt.Errorf("--resume: values of the members' environment are not saved: give that of %s again with %s%s=VALUE",
				v.Name, variable, v.Name)
		}
		s.Env[i].Value = value
	}
	return nil
}
