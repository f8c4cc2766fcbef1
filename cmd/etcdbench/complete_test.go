package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
)

// complete asks for the completions of the last argument, as shells do. It returns them
// without their descriptions, and the directive for the shell.
func complete(t *testing.T, args ...string) (values []string, directive string) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := execute(t.Context(), append([]string{"__complete"}, args...), nil, &out, &errs); code != 0 {
		t.Fatalf("%q: exit code %d: %s", args, code, errs.String())
	}
	for line := range strings.Lines(out.String()) {
		line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if d, ok := strings.CutPrefix(line, ":"); ok {
			return values, d
		}
		values = append(values, line)
	}
	t.Fatalf("%q: no directive in %q", args, out.String())
	return nil, ""
}

// Shells complete loads, parameters, formats and the values of flags.
func TestCompletion(t *testing.T) {
	t.Parallel()
	var all []string
	for _, e := range workloads.All() {
		all = append(all, e.Name)
	}
	all = append(all, scenario.BuiltIn()...)
	for _, command := range []string{"run", "capacity", "tune", "gate", "workloads"} {
		got, _ := complete(t, command, "")
		for _, name := range all {
			if !slices.Contains(got, name) {
				t.Errorf("%s: %s is missing in %v", command, name, got)
			}
		}
	}
	const noFile, noSpace, dirs, order = 4, 2, 16, 32
	for _, c := range []struct {
		args      string
		want      string
		directive int
	}{
		{"ru", "run", noFile},
		{"run kub", "kubernetes", 0},
		{"run my-scenario.ya", "", 0},
		{"run put ", "", noFile},
		{"workloads defrag", "defragmentation", noFile},
		{"run kubernetes --param pods", "podsPerNode=", noFile | noSpace},
		{"run kubernetes --param podsPerNode=", "podsPerNode=30 podsPerNode=1 podsPerNode=250", noFile | order},
		{"run kubernetes --param podsPerNode=2", "podsPerNode=250", noFile | order},
		{"run kubernetes --param none=", "", noFile | order},
		{"run --keys ", "sequential uniform zipfian latest hotspot", noFile | order},
		{"run txn-cas --verbs ", "create update delete", noFile | order},
		{"capacity range --consistency ", "l s", noFile | order},
		{"run --key-size ", "", noFile},
		{"run put --param ", "", noFile | noSpace},
		{"run --disturb kill", "kill@", noFile | noSpace},
		{"run --transport ", "auto lean grpc", noFile | order},
		{"gate --tls ", "off auto", noFile | order},
		{"run --rate ", "", noFile},
		{"run --out ", "", dirs},
		{"run --cacert ", "", 0},
		{"gate --format ", strings.ReplaceAll(report.Verdicts().Names(), ",", ""), noFile | order},
		{"capacity --format ", strings.ReplaceAll(report.Capacities().Names(), ",", ""), noFile | order},
		{"tune --format ", strings.ReplaceAll(report.Tunings().Names(), ",", ""), noFile | order},
		{"report --format ", strings.ReplaceAll(report.Names(), ",", ""), noFile | order},
		{"run --profile ", "cpu heap mutex goroutine block trace", noFile | order},
		{"run --val-s", "--val-size", noFile},
		{"version ", "", noFile},
	} {
		got, directive := complete(t, strings.Split(c.args, " ")...)
		if strings.Join(got, " ") != c.want || directive != strconv.Itoa(c.directive) {
			t.Errorf("%s: %q with directive %s, want %q with %d", c.args, got, directive, c.want, c.directive)
		}
	}
	if got, _ := complete(t, "gate", "--metric", ""); !slices.Contains(got, "alloc_bytes") {
		t.Errorf("metrics: %q", got)
	}
}

// Shells complete the directories of results: those in the default directory, and the way to
// others.
func TestCompletionOfResults(t *testing.T) {
	t.Chdir(t.TempDir())
	for path, file := range map[string]string{
		resultsDir + "/20261120-run": results.RunFile, resultsDir + "/20261121-killed": results.JournalFile,
		resultsDir + "/gate-20261122": results.VerdictFile, resultsDir + "/other": "notes.txt", "mine/capacity-1": results.CapacityFile,
	} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, file), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inDefault := []string{resultsDir + "/gate-20261122", resultsDir + "/20261121-killed", resultsDir + "/20261120-run"}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"report", ""}, inDefault},
		{[]string{"compare", inDefault[0], ""}, inDefault[1:]},
		{[]string{"report", resultsDir + "/2"}, inDefault[1:]},
		{[]string{"report", resultsDir + "/o"}, []string{resultsDir + "/other/"}},
		{[]string{"report", "mi"}, []string{"mine/"}},
		{[]string{"gate", "--resume", "mine/"}, []string{"mine/capacity-1"}},
		{[]string{"report", "gone/"}, nil},
	} {
		if got, _ := complete(t, c.args...); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
	if got, _ := complete(t, "gate", ""); !slices.Contains(got, inDefault[0]) || !slices.Contains(got, "put") {
		t.Errorf("gate: %q", got)
	}
}

// An unknown command or flag comes with the nearest one.
func TestSuggestions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"rnu": `unknown command "rnu" (similar: "run"): see etcdbench --help`, "capasity": `"capacity"`, "xyzzyxyzzy": `unknown command "xyzzyxyzzy": see`,
		"run --durration 1s": `unknown flag: --durration (similar: "--duration"): see etcdbench run --help`, "gate --candidat x": `"--candidate"`,
		"run -rate 5": `(similar: "--rate")`, "run --rate": "flag needs an argument: --rate: see", "run --xyzzyxyzzy": "unknown flag: --xyzzyxyzzy: see",
	} {
		var out, errs bytes.Buffer
		if code := execute(t.Context(), strings.Split(args, " "), nil, &out, &errs); code != exitUsage || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d: %s", args, code, errs.String())
		}
	}
}

// There is a manual page for each command, with its flags and examples.
func TestManualPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "man1")
	if code := execute(t.Context(), []string{"man", dir}, nil, os.Stdout, os.Stderr); code != 0 {
		t.Fatal("exit code ", code)
	}
	for _, cmd := range newRootCommand().Commands() {
		if !cmd.IsAvailableCommand() || cmd.Name() == "help" {
			continue
		}
		page, err := os.ReadFile(filepath.Join(dir, "etcdbench-"+cmd.Name()+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, want := range []string{".TH", "\"1\"", ".SH NAME", ".SH OPTIONS", ".SH EXAMPLE", ".SH SEE ALSO"} {
			if !strings.Contains(string(page), want) {
				t.Errorf("the page of %s has no %s", cmd.Name(), want)
			}
		}
	}
	if page, err := os.ReadFile(filepath.Join(dir, "etcdbench-run.1")); err != nil || !strings.Contains(string(page), `\-\-val\-size`) && !strings.Contains(string(page), "--val-size") {
		t.Errorf("the page of run lacks --val-size: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "etcdbench-member.1")); err == nil {
		t.Error("a hidden command has a page")
	}
}
