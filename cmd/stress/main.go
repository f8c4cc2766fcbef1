// Command stress runs etcdbench under random faults and counts what must not happen: hangs,
// panics, processes that are left, foreign keys or leases that are touched, measurements
// that are lost, more memory than is stated, and wrong exit codes. Each trial depends on the
// seed and its number alone.
//
//	go run ./cmd/stress -trials 500
//
// It needs Linux, and for full disks the right to mount a tmpfs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// options are the options of the command line.
type options struct {
	seed          uint64
	first, trials int
	only          string
	binary        string
	keep          bool
}

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "fixes the trials")
	flag.IntVar(&o.first, "first", 0, "number of the first trial")
	flag.IntVar(&o.trials, "trials", 500, "number of trials")
	flag.StringVar(&o.only, "only", "", "one kind of trials alone: "+strings.Join(kindNames(), ", "))
	flag.StringVar(&o.binary, "binary", "", "etcdbench to try (default: built from this module)")
	flag.BoolVar(&o.keep, "keep", false, "keep the directories of trials that found something, with the output of what hung")
	flag.Parse()
	// The commands do not ignore a signal that is caught here, not even under nohup.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	found, err := run(ctx, o, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "stress:", err)
		os.Exit(1)
	}
	if found > 0 {
		os.Exit(3)
	}
}

// run carries out the trials and prints their table. It returns how many findings there were.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (found int, err error) {
	if o.only != "" && !slices.Contains(kindNames(), o.only) {
		return 0, fmt.Errorf("-only: unknown kind %q: use one of %s", o.only, strings.Join(kindNames(), ", "))
	}
	dir, err := os.MkdirTemp("", "etcdbench-stress-")
	if err != nil {
		return 0, err
	}
	b, err := newRig(ctx, dir, o.binary)
	if err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	defer func() {
		err = errors.Join(err, b.close())
		if !o.keep || found == 0 {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	var t table
	for n := o.first; n < o.first+o.trials && ctx.Err() == nil; n++ {
		trial, err := b.try(ctx, o, n)
		if ctx.Err() != nil {
			break // interrupted: the table has the trials before
		}
		if err != nil {
			return found, err
		}
		found += len(trial.findings)
		t.add(trial)
		fmt.Fprintf(stderr, "%4d %s: %s\n", n, trial.kind, trial.what)
		for _, f := range trial.findings {
			fmt.Fprintf(stderr, "     FOUND %s: %s\n", f.check, f.text)
		}
	}
	t.write(stdout)
	return found, nil
}

// build compiles etcdbench into a directory.
func build(ctx context.Context, dir string) (string, error) {
	binary := filepath.Join(dir, "etcdbench")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", binary, "github.com/etcdbench/etcdbench/cmd/etcdbench")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build etcdbench: %w: %s", err, out)
	}
	return binary, nil
}
