package experiment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// Runner executes a run: [runner.Run], or a replacement in a test.
type Runner func(ctx context.Context, spec runner.Spec, o runner.Options) (*results.Run, error)

// Options are what an experiment needs in addition to its request.
type Options struct {
	// Dir is the directory of the runs and of the result. Runs that it contains already are not
	// repeated.
	Dir string
	// Password is the password of the specification's user.
	Password string
	// Fleet provides the agents of a specification that requests them.
	Fleet runner.Fleet
	// Observers observe every run.
	Observers []bench.Observer
	// Run executes runs; nil means [runner.Run].
	Run Runner
}

// Measure makes one run of the experiment in a directory of its own.
func (o Options) Measure(ctx context.Context, spec runner.Spec, dir string) (*results.Run, error) {
	run := o.Run
	if run == nil {
		run = runner.Run
	}
	return run(ctx, spec, runner.Options{Dir: dir, Password: o.Password, Observers: o.Observers, Fleet: o.Fleet})
}

// MeasureOn makes one run on a cluster of the experiment, with additional disturbances.
func (o Options) MeasureOn(
	ctx context.Context, spec runner.Spec, dir string, c cluster.Cluster, disturbances ...bench.Disturbance,
) (*results.Run, error) {
	return runner.Run(ctx, spec, runner.Options{
		Dir: dir, Password: o.Password, Observers: o.Observers, Fleet: o.Fleet, Cluster: c, Disturbances: disturbances,
	})
}

// Prepare builds the etcd of each specification's version, so that no run waits for it. It
// returns an error if dir contains runs with another transport.
func Prepare(ctx context.Context, dir string, list ...*runner.Resolved) error {
	for _, r := range list {
		if err := checkTransport(dir, r.Plan.TransportUsed()); err != nil {
			return err
		}
		if r.Version == "" {
			continue
		}
		if _, err := cluster.BuildVersion(ctx, r.Version, ""); err != nil {
			return err
		}
	}
	return nil
}

// checkTransport compares the transport of the planned runs with that of a run in dir. All
// runs there have the same transport, since each start and each resumption checks it.
func checkTransport(dir, next string) error {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != results.RunFile {
			return err
		}
		run, whole := results.ReadWhole(filepath.Dir(path))
		if !whole {
			return nil
		}
		if used := run.Plan.TransportUsed(); used != next {
			return fmt.Errorf("%s was measured with --transport %s, but the experiment continues with --transport %s: "+
				"start a new experiment in another directory", filepath.Dir(path), results.Clip(used), next)
		}
		return fs.SkipAll
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// SaveResult writes an experiment's document and its page.
func SaveResult(dir, name string, document any, page func(w io.Writer) error) error {
	data, err := results.Encode(document)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("save result: %w", err)
	}
	file, err := os.Create(filepath.Join(dir, results.PageFile))
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return errors.Join(page(file), file.Close())
}

// NotFinished is the beginning of the reason in an unfinished document.
func NotFinished(err error) string { return "not finished: " + strings.TrimSpace(err.Error()) }

// Unfinished returns the error of an experiment that ended early, with the completed part and
// how to continue. It wraps [bench.ErrInterrupted].
func Unfinished(err error, done, dir string) error {
	if errors.Is(err, bench.ErrInterrupted) {
		return fmt.Errorf("%w, with %s done: continue with --resume %s", bench.ErrInterrupted, done, dir)
	}
	return fmt.Errorf("with %s done: %w; continue with --resume %s", done, trimmed{err}, dir)
}

// trimmed is an error whose text has no leading or trailing white space.
type trimmed struct{ error }

func (t trimmed) Error() string { return strings.TrimSpace(t.error.Error()) }
func (t trimmed) Unwrap() error { return t.error }
