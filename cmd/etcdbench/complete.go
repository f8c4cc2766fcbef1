package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/profiles"
	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// describeCompletion puts the command that writes the scripts of shells into the words of the
// other commands.
func describeCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() == "completion" {
			cmd.Short = "write the completion script of a shell"
			cmd.Example = "  source <(etcdbench completion bash)"
		}
	}
}

// addCompletion lets shells complete the arguments and the values of flags of a command and
// of those below it.
func addCompletion(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil {
		cmd.ValidArgsFunction = argumentCompletion(cmd.Name())
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if _, exists := cmd.GetFlagCompletionFunc(f.Name); exists {
			return
		}
		if complete := flagCompletion(cmd.Name(), f); complete != nil {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, complete) // fails for a flag that does not exist
		}
	})
	for _, sub := range cmd.Commands() {
		addCompletion(sub)
	}
}

// argumentCompletion completes the arguments of a command.
func argumentCompletion(command string) cobra.CompletionFunc {
	switch command {
	case "run", "capacity", "tune", "scale", "qualify":
		return func(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return cobra.NoFileCompletions(nil, args, begin)
			}
			return loads(begin), cobra.ShellCompDirectiveDefault // also the files of scenarios
		}
	case "gate":
		return func(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return cobra.NoFileCompletions(nil, args, begin)
			}
			saved, directive := savedResults(args, begin)
			return append(saved, loads(begin)...), directive
		}
	case "workloads":
		return func(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return cobra.NoFileCompletions(nil, args, begin)
			}
			return append(loads(begin), disturbances(begin, "")...), cobra.ShellCompDirectiveNoFileComp
		}
	case "report", "compare":
		return func(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return savedResults(args, begin)
		}
	case "man":
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	}
	return cobra.NoFileCompletions
}

// flagCompletion completes the values of a flag. nil completes the names of files.
func flagCompletion(command string, f *pflag.Flag) cobra.CompletionFunc {
	switch f.Name {
	case "format":
		return listed(formats(command)...)
	case "progress":
		return listed(progressAuto, string(bench.ProgressBar), string(bench.ProgressPlain),
			string(bench.ProgressJSON), string(bench.ProgressNone))
	case "transport":
		return listed(runner.TransportAuto, results.TransportLean, results.TransportGRPC)
	case "arrival":
		return listed(bench.ArrivalConstant, bench.ArrivalPoisson)
	case "tls":
		return listed(runner.TLSOff, runner.TLSAuto)
	case "on-agent-loss":
		return listed("fail", "continue")
	case "profile":
		return listed(profiles.CPU, profiles.Heap, profiles.Mutex, profiles.Goroutine, profiles.Block, profiles.Trace)
	case "metric":
		return listed(metrics()...)
	case "param":
		return completeParameter
	case "disturb":
		return func(_ *cobra.Command, _ []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return disturbances(begin, "@"), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
	case "resume":
		return func(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return savedResults(args, begin)
		}
	}
	if choices := workloads.Choices(f); choices != nil {
		return listed(choices...)
	}
	switch kind, _ := pflag.UnquoteUsage(f); kind {
	case "directory":
		return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		}
	case "file", "program":
		return nil
	}
	return cobra.NoFileCompletions
}

// listed completes to one of a list.
func listed(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveKeepOrder)
}

// formats returns the formats of a command's reports.
func formats(command string) (list []cobra.Completion) {
	switch command {
	case "gate":
		return strings.Split(report.Verdicts().Names(), ", ")
	case "capacity":
		return strings.Split(report.Capacities().Names(), ", ")
	case "tune":
		return strings.Split(report.Tunings().Names(), ", ")
	}
	for _, f := range report.All() {
		list = append(list, cobra.CompletionWithDesc(f.Name, f.Summary))
	}
	return list
}

// metrics returns the metrics of gates.
func metrics() (list []cobra.Completion) {
	for _, m := range judge.Metrics() {
		list = append(list, m.Name)
	}
	return list
}

// loads returns the workloads and the built-in scenarios whose names have the given beginning.
func loads(begin string) (list []cobra.Completion) {
	for _, e := range workloads.All() {
		if strings.HasPrefix(e.Name, begin) {
			list = append(list, cobra.CompletionWithDesc(e.Name, e.Summary))
		}
	}
	for _, name := range scenario.BuiltIn() {
		if !strings.HasPrefix(name, begin) {
			continue
		}
		if s, err := scenario.Find(name, nil); err == nil {
			list = append(list, cobra.CompletionWithDesc(name, s.Summary))
		}
	}
	return list
}

// disturbances returns the kinds whose names have the given beginning, each with the given end.
func disturbances(begin, end string) (list []cobra.Completion) {
	for _, e := range workloads.Disturbances() {
		if strings.HasPrefix(e.Name, begin) {
			list = append(list, cobra.CompletionWithDesc(e.Name+end, e.Summary))
		}
	}
	return list
}

// completeParameter completes the name of a parameter of the scenario that is the command's
// argument, and after it the value: the default and the bounds.
func completeParameter(_ *cobra.Command, args []string, begin string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	s, err := scenario.Find(argument(args, runner.DefaultScenario), nil)
	if err != nil {
		return nil, directive
	}
	var list []cobra.Completion
	if name, _, found := strings.Cut(begin, "="); found {
		return parameterValues(name, s.Parameters[name], begin), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
	for _, name := range slices.Sorted(maps.Keys(s.Parameters)) {
		if strings.HasPrefix(name, begin) {
			list = append(list, cobra.CompletionWithDesc(name+"=", s.Parameters[name].Help))
		}
	}
	return list, directive
}

// parameterValues are the default and the bounds of a scenario's parameter, as NAME=VALUE.
func parameterValues(name string, p scenario.Parameter, begin string) (list []cobra.Completion) {
	for _, v := range []struct {
		value *float64
		what  string
	}{{p.Default, "default"}, {p.Min, "minimum"}, {p.Max, "maximum"}} {
		if v.value == nil {
			continue
		}
		if text := name + "=" + strconv.FormatFloat(*v.value, 'f', -1, 64); strings.HasPrefix(text, begin) {
			list = append(list, cobra.CompletionWithDesc(text, v.what))
		}
	}
	return list
}

// savedResults are the directories of results whose paths begin so and that are not given
// yet, the newest first, and the directories on the way to others. Nothing stands for the
// directory where results are saved by default.
func savedResults(given []string, begin string) (list []cobra.Completion, directive cobra.ShellCompDirective) {
	dir, _ := filepath.Split(begin)
	if begin == "" {
		dir = resultsDir + string(filepath.Separator)
	}
	read := dir
	if read == "" {
		read = "."
	}
	entries, _ := os.ReadDir(read) // which an unreadable directory has none of
	directive = cobra.ShellCompDirectiveDefault | cobra.ShellCompDirectiveKeepOrder
	for _, entry := range slices.Backward(entries) {
		path := dir + entry.Name()
		switch kind, saved := results.KindIn(path); {
		case !strings.HasPrefix(path, begin) || strings.HasPrefix(entry.Name(), ".") || slices.Contains(given, path):
		case saved:
			list = append(list, cobra.CompletionWithDesc(path, kind.Name()))
		case entry.IsDir() && begin != "":
			list = append(list, path+string(filepath.Separator))
			directive |= cobra.ShellCompDirectiveNoSpace
		}
	}
	return list, directive
}
