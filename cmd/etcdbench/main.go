// Command etcdbench benchmarks etcd. Each command has a file here: it turns flags into
// options, validates them, calls the package that does the work and turns the result into an
// exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// The exit codes, as listed in the README.
const (
	exitFailed       = 1
	exitUsage        = 2
	exitFail         = 3
	exitInconclusive = 4
	exitInvalid      = 5
	exitInterrupted  = 130
)

// exitError is an error that decides the exit code.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string { return e.err.Error() }
func (e exitError) Unwrap() error { return e.err }

// usage marks an error of the command line: nothing was started.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return exitError{exitUsage, err}
}

// message returns the text of an error for the command line, where flags have names and fields
// of a specification do not.
func message(err error) string {
	text := err.Error()
	if spec, ok := errors.AsType[*runner.SpecError](err); ok {
		text = strings.Replace(text, spec.Error(), spec.Err.Error(), 1)
	}
	return text
}

func main() {
	log.SetOutput(io.Discard) // what net/http says of other programs' answers, such as a gRPC port asked for metrics
	ctx, stop := interruptible(catchSignals(), os.Stderr, func() { os.Exit(exitInterrupted) })
	code := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// execute runs the command line and returns the exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(screen(stdout))
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && err.Error() != "" {
		fmt.Fprintln(stderr, "etcdbench:", oneLine(shown(message(err))))
	}
	return exitCode(ctx, err)
}

// maxShown is the length, in characters, of a value that an error quotes.
const maxShown = 200

var longValue = regexp.MustCompile(`"(?:[^"\\]|\\.){201,}"|[^\s"]{201,}`)

// shown makes the text of an error, which may quote files and servers, safe for a terminal: it
// shortens long values and replaces control characters.
func shown(text string) string {
	text = longValue.ReplaceAllStringFunc(text, func(value string) string { return string([]rune(value)[:maxShown]) + "…" })
	return strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// oneLine joins the messages of several errors; the indented lines of a log stay below.
func oneLine(text string) string {
	var said, logged []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "  "):
			logged = append(logged, "\n"+line)
		case line != "" && !slices.Contains(said, line):
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ") + strings.Join(logged, "")
}

func exitCode(ctx context.Context, err error) int {
	var exit exitError
	var spec *runner.SpecError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &spec):
		return exitUsage
	case errors.Is(context.Cause(ctx), bench.ErrInterrupted):
		return exitInterrupted
	}
	return exitFailed
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "etcdbench",
		Short: "benchmark etcd with trustworthy results",
		Long: `etcdbench generates load against an etcd cluster that it starts or that is
already running. It reports throughput, response times, the cost for the servers,
and whether the load generator itself was the limit. It plans capacity, gates
performance regressions, and tunes heartbeat interval and election timeout.`,
		Example: `  etcdbench run                                     start three members, put for 30 s
  etcdbench run --endpoints host:2379 --rate 5000   use a running cluster`,
		SilenceErrors: true,
		SilenceUsage:  true,
		// Without a command, the program prints the help.
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(fmt.Errorf("unknown command %q%s: see etcdbench --help", args[0], results.Nearest(args[0], commandNames(cmd))))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(fmt.Errorf("%w%s: see %s --help", err, nearestFlag(cmd, err), cmd.CommandPath()))
	})
	root.AddCommand(
		newRunCommand(),
		newReportCommand(),
		newCompareCommand(),
		newGateCommand(),
		newQualifyCommand(),
		newCapacityCommand(),
		newTuneCommand(),
		newBenchmarkCommand(),
		newScaleCommand(),
		newAgentCommand(),
		newClusterCommand(),
		newCleanCommand(),
		newWorkloadsCommand(),
		newVersionCommand(),
		newMemberCommand(),
		newManCommand(),
	)
	describeCompletion(root)
	addCompletion(root)
	return root
}
