package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// An officialCommand is a command of etcd's tools/benchmark, with its equivalent here.
type officialCommand struct {
	name string
	// args are its arguments, in the form of its usage.
	args string
	// atMost is the largest number of arguments.
	atMost  int
	summary string
	// workload is the equivalent workload; "" if the command is refused.
	workload string
	// fixed are parameters of the workload that no flag sets.
	fixed map[string]string
	// ownKeys means that keys have the length that the command requires, which is too short for the
	// default prefix.
	ownKeys bool
	flags   []officialFlag
	// complete handles combinations of flags and arguments; it may be nil.
	complete func(o *officialRun) error
	// differs is a clause with the differences from etcd's tool, or the reason why the command is not accepted.
	differs string
}

// An officialFlag is a flag of etcd's tools/benchmark. It sets a parameter of the
// workload, is applied, or is refused.
type officialFlag struct {
	name string
	// value is the default of etcd's tool. Its type is that of the flag.
	value any
	usage string
	// param is the workload's parameter that the flag sets.
	param string
	apply func(o *officialRun) error
	// becomes is the equivalent of the flag, for the table of the documentation. It may be empty
	// if param is set.
	becomes string
	// refused is the reason for a refusal and the alternative; "" if the flag is accepted.
	refused string
}

// officialPrefix is the prefix of keys for commands with a key length.
const officialPrefix = "b/"

// An officialRun is one call of the official command line.
type officialRun struct {
	runOptions
	// command is the called command, args are its arguments, and flags are those of etcd's tool.
	command officialCommand
	args    []string
	flags   *pflag.FlagSet
}

// number, is, text and time return the value of a flag. The table of the command defines its type.
func (o *officialRun) number(name string) int         { n, _ := o.flags.GetInt(name); return n }
func (o *officialRun) is(name string) bool            { b, _ := o.flags.GetBool(name); return b }
func (o *officialRun) text(name string) string        { return o.flags.Lookup(name).Value.String() }
func (o *officialRun) time(name string) time.Duration { d, _ := o.flags.GetDuration(name); return d }

// set sets a parameter of the workload.
func (o *officialRun) set(name, value string) { o.spec.Workload[name] = value }

func newBenchmarkCommand() *cobra.Command {
	o := &officialRun{}
	cmd := &cobra.Command{
		Use:   "benchmark COMMAND",
		Short: "run the commands of etcd's own benchmark tool",
		Long: `Accepts the commands and flags of tools/benchmark of etcd 3.5 to 3.7 and measures with
the engine of "etcdbench run". The load goes to a running cluster, 127.0.0.1:2379
unless --endpoints names another. Before each run, a line lists the differences from
etcd's tool; docs/migration.md lists all of them.`,
		Example: `  etcdbench benchmark put --total 20000 --key-space-size 10000 --val-size 256
  etcdbench benchmark --endpoints 10.0.0.1:2379 --conns 100 --clients 1000 put --sequential-keys --key-space-size 100000
  etcdbench benchmark range YOUR_KEY --consistency s --total 100000`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range officialCommands() {
				names = append(names, c.name)
			}
			return usage(fmt.Errorf("unknown command %q%s: use one of %s", args[0], results.Nearest(args[0], names), strings.Join(names, ", ")))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	addOfficial(cmd.PersistentFlags(), officialGlobals())
	cmd.PersistentFlags().SortFlags = false
	o.outputFlags.addReport(cmd.PersistentFlags(), "RUN-ID", report.Names())
	o.addPermissions(cmd.PersistentFlags())
	for _, c := range officialCommands() {
		cmd.AddCommand(newOfficialCommand(o, c))
	}
	return cmd
}

// newOfficialCommand returns the command of an entry of the table.
func newOfficialCommand(o *officialRun, c officialCommand) *cobra.Command {
	cmd := &cobra.Command{
		Use:   strings.TrimSpace(c.name + " " + c.args),
		Short: c.summary,
		Long:  c.long(),
		Args:  func(cmd *cobra.Command, args []string) error { return usage(cobra.MaximumNArgs(c.atMost)(cmd, args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			o.command, o.args, o.flags = c, args, cmd.Flags()
			if err := o.prepare(); err != nil {
				return usage(fmt.Errorf("benchmark %s: %w", c.name, err))
			}
			if o.dryRun {
				run := experiment.Planned{Name: "run", Count: 1, Spec: o.resolved.Spec, Length: o.resolved.Estimate()}
				return o.printPlan(cmd.OutOrStdout(), o.resolved, nil, experiment.Plan{Runs: []experiment.Planned{run}})
			}
			password, err := readPassword(o.resolved.Spec, cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return usage(err)
			}
			o.announce(cmd.ErrOrStderr())
			return o.run(cmd.Context(), password, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	addOfficial(cmd.Flags(), c.flags)
	if c.workload == "" {
		cmd.Args, cmd.DisableFlagParsing = nil, true
	}
	return cmd
}

// addOfficial registers flags with their defaults and types.
func addOfficial(fs *pflag.FlagSet, flags []officialFlag) {
	for _, f := range flags {
		text := f.usage
		if f.refused != "" {
			text = "not accepted: " + f.refused
		}
		switch v := f.value.(type) {
		case int:
			fs.Int(f.name, v, text)
		case bool:
			fs.Bool(f.name, v, text)
		case float64:
			fs.Float64(f.name, v, text)
		case time.Duration:
			fs.Duration(f.name, v, text)
		case []string:
			fs.StringSlice(f.name, v, text)
		case string:
			fs.String(f.name, v, text)
		}
	}
}

// long returns the help of the command.
func (c officialCommand) long() string {
	if c.workload == "" {
		return c.summary + ": " + c.differs + "."
	}
	return c.summary + ".\nUnlike etcd's benchmark, " + c.differs + "."
}

// prepare turns the command line into a resolved specification. It starts nothing.
func (o *officialRun) prepare() error {
	if o.command.workload == "" {
		return errors.New(o.command.differs)
	}
	o.spec.Schema, o.spec.Scenario, o.spec.Workload = runner.Schema, o.command.workload, map[string]string{}
	none := time.Duration(0)
	o.spec.Load.Warmup = &none
	if o.command.ownKeys {
		o.spec.Prefix = officialPrefix
	}
	for name, value := range o.command.fixed {
		o.set(name, value)
	}
	for _, f := range slices.Concat(officialGlobals(), o.command.flags) {
		switch {
		case f.refused != "":
			if o.flags.Changed(f.name) {
				return fmt.Errorf("--%s is not accepted: %s", f.name, f.refused)
			}
		case f.param != "":
			o.set(f.param, o.text(f.name))
		default:
			if err := f.apply(o); err != nil {
				return err
			}
		}
	}
	if o.command.complete != nil {
		if err := o.command.complete(o); err != nil {
			return err
		}
	}
	return o.resolve(o.spec)
}

// announce writes the differences from etcd's tool to w.
func (o *officialRun) announce(w io.Writer) {
	if style := bench.ProgressStyle(o.progress); style != bench.ProgressNone && style != bench.ProgressJSON {
		fmt.Fprintf(w, "benchmark %s: unlike etcd's benchmark, %s\n", o.command.name, o.command.differences(o.spec))
	}
}

// differences returns the differences from etcd's tool.
func (c officialCommand) differences(s runner.Spec) string {
	text := c.differs
	if s.Load.Rate != nil {
		text += "; response times count from the planned start of each request, not from when it was sent"
	}
	if c.ownKeys && !s.KeepData {
		text += "; keys are deleted after the run (--keep-data)"
	}
	return text
}
