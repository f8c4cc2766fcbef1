package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/scratch"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/workloads"
)

// cleanOptions are the options of the command clean.
type cleanOptions struct {
	specFlags
	yes bool
}

func newCleanCommand() *cobra.Command {
	o := &cleanOptions{}
	cmd := &cobra.Command{
		Use:   "clean [DIRECTORY...] | --endpoints ADDRESSES",
		Short: "list and remove the data that killed runs left on this machine or in a cluster",
		Long: `Lists the files, keys and leases that killed runs have left, and removes them after a
confirmation.

Without --endpoints, it removes temporary directories from this machine, and the data of
members below ` + resultsDir + ` or in the given directories. Give directories of results
or of --data-dir. It keeps results, and files that a process uses.

With --endpoints, it removes keys and leases from a running cluster, where each run has a
record of its start and leases. The command removes the leases in the record, and the
keys that are newer than the record and have the names of a workload's keys. In a prefix
that ends with the run's ID, it removes all newer keys. Without --prefix, it searches the
prefixes directly below /etcdbench/, which runs use by default.

It keeps the data of runs in progress, keys kept with --keep-data, and keys that other
clients write. To remove kept keys, give their prefix: --prefix /etcdbench/RUN-ID/.`,
		Example: `  etcdbench clean
  etcdbench clean --endpoints 10.0.0.1:2379
  etcdbench clean --endpoints 10.0.0.1:2379 --prefix /bench/ --yes`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, out := cmd.InOrStdin(), cmd.OutOrStdout()
			if !o.spec.Cluster.Running() {
				if err := o.checkLocal(cmd.Flags()); err != nil {
					return usage(err)
				}
				return o.cleanMachine(args, in, out)
			}
			if len(args) > 0 {
				return usage(errors.New("directories and --endpoints cannot be combined"))
			}
			password, err := readPassword(o.spec, in, cmd.ErrOrStderr())
			if err != nil {
				return usage(err)
			}
			left, err := runner.FindLeftovers(cmd.Context(), o.spec.Cluster, o.spec.Prefix, password)
			if err != nil {
				return err
			}
			defer left.Close()
			return o.clean(cmd.Context(), left, in, out)
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	o.addConnection(fs)
	fs.StringVar(&o.spec.Prefix, "prefix", "", "`prefix` of the killed runs (default: every prefix directly below /etcdbench/)")
	fs.BoolVar(&o.yes, "yes", false, "remove without asking")
	return cmd
}

// checkLocal refuses flags that need a cluster.
func (o *cleanOptions) checkLocal(fs *pflag.FlagSet) (err error) {
	fs.Visit(func(f *pflag.Flag) {
		if f.Name != "yes" {
			err = fmt.Errorf("--%s is for running clusters: it needs --endpoints", f.Name)
		}
	})
	return err
}

// cleanMachine lists the remains of killed processes on this machine, and removes them after a
// confirmation.
func (o *cleanOptions) cleanMachine(directories []string, in io.Reader, out io.Writer) error {
	if len(directories) == 0 {
		directories = []string{resultsDir}
	}
	left := scratch.Abandoned(directories...)
	if len(left) == 0 {
		fmt.Fprintln(out, "nothing to remove")
		return nil
	}
	for _, path := range left {
		fmt.Fprintf(out, "%s: %s\n", words.Clean(path), words.Bytes(float64(scratch.Size(path))))
	}
	if !o.yes && !confirmed("remove these directories?", in, out) {
		fmt.Fprintln(out, "nothing removed")
		return nil
	}
	var errs []error
	for _, path := range left {
		err := scratch.RemoveAbandoned(path)
		if err == nil {
			fmt.Fprintf(out, "%s: removed\n", words.Clean(path))
		} else {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
	}
	return errors.Join(errs...)
}

// clean lists the remains of killed runs in a cluster, and removes them after a confirmation.
func (o *cleanOptions) clean(ctx context.Context, left *runner.Leftovers, in io.Reader, out io.Writer) error {
	var removable []*workloads.Leftover
	for _, l := range left.List {
		fmt.Fprintln(out, describe(l))
		if l.Removable() {
			removable = append(removable, l)
		}
	}
	if len(removable) == 0 {
		fmt.Fprintln(out, "nothing to remove")
		return nil
	}
	if !o.yes && !confirmed("remove these keys and leases?", in, out) {
		fmt.Fprintln(out, "nothing removed")
		return nil
	}
	var errs []error
	for _, l := range removable {
		deleted, err := left.Remove(ctx, l)
		fmt.Fprintf(out, "%s: removed %s and %s\n", words.Clean(l.Prefix),
			words.Plural(int64(deleted), "key", "keys"), words.Plural(int64(len(l.Leases)), "lease", "leases"))
		errs = append(errs, err)
	}
	fmt.Fprintln(out, "the members release the space only after compaction and defragmentation: etcdctl compact REVISION, "+
		"then etcdctl defrag --cluster")
	return errors.Join(errs...)
}

// describe describes the remains under a prefix in one line.
func describe(l *workloads.Leftover) string {
	text := fmt.Sprintf("%s: %s, %s", words.Clean(l.Prefix),
		words.Plural(int64(l.Keys), "key", "keys"), words.Plural(int64(len(l.Leases)), "lease", "leases"))
	if len(l.Examples) > 0 {
		text += ", such as " + words.Clean(l.Examples[0])
	}
	if l.Kept > 0 {
		text += fmt.Sprintf("; %s kept with --keep-data", words.Plural(int64(l.Kept), "key", "keys"))
		if l.Status.Left == nil {
			text += ": to remove, give --prefix " + words.Clean(l.Prefix)
		}
	}
	if l.Others > 0 {
		text += fmt.Sprintf("; %s of other clients, which are kept", words.Plural(int64(l.Others), "key", "keys"))
	}
	switch {
	case l.Status.Active != nil:
		text += "; in use by " + l.Status.Active.Owner.String()
	case l.Status.Left != nil:
		text += "; left by " + l.Status.Left.String()
	}
	return text
}

// confirmed asks the user for a confirmation.
func confirmed(question string, in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, question, " [y/N] ")
	line, _ := bufio.NewReader(in).ReadString('\n')
	answer := strings.ToLower(strings.TrimSpace(line))
	return answer == "y" || answer == "yes"
}
