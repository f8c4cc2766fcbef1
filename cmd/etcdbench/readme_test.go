package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// What the README says to type must work. Runs are made short, addresses and
// files that only a reader has are replaced; everything else is as it stands.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a cluster for each command")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync = 1, true
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	endpoint := c.Members()[0].Endpoint
	nodes := regexp.MustCompile(`nodes=\d+`)
	addresses := regexp.MustCompile(`--endpoints \S+`)
	// What a run as short as these has to say of itself.
	verdict := regexp.MustCompile(`measurement is invalid|(FAIL|INCONCLUSIVE): `)
	out := t.TempDir()
	ran := 0
	var runs errgroup.Group // most of the time of each goes into starting and stopping members
	runs.SetLimit(3)
	for _, command := range (markdownFile{"README.md", string(readme)}).commands() {
		line := nodes.ReplaceAllString(addresses.ReplaceAllString(command.line, "--endpoints "+endpoint), "nodes=10")
		args := shellWords(line)[1:]
		switch {
		case args[0] == "version", args[0] == "workloads":
		case args[0] == "cluster", strings.Contains(command.line, "--cert"), strings.Contains(command.line, "--user"):
			continue // the scripts have these, with signals, certificates and passwords
		case strings.Contains(command.line, "--etcd-version") && os.Getenv("CI") == "":
			continue // builds for a minute
		case args[0] == "capacity", args[0] == "tune", args[0] == "scale", args[0] == "qualify", args[0] == "gate" && strings.Contains(line, "--quick"):
			// Takes minutes; the scripts have short ones. All but the last flag is right.
			text, _ := exec.Command("etcdbench", append(args, "--format", "nonsense")...).CombinedOutput()
			if !strings.Contains(string(text), "--format: unknown format") {
				t.Errorf("%s: %s", command.line, text)
			}
			continue
		case len(args) > 1 && args[1] == "--history":
			args[2] = out
		case args[0] == "compare":
			args[1], args[3] = filepath.Join(out, "0"), filepath.Join(out, "1")
		case args[0] == "gate":
			args[1] = filepath.Join(out, "0")
		case args[0] == "report":
			args[1] = filepath.Join(out, "0")
		case args[0] == "run":
			args = append(args, "--duration", "300ms", "--warmup", "0s", "--out", filepath.Join(out, string(rune('0'+ran))))
			ran++
			if strings.Contains(command.line, "range") {
				args = append(args, "--key-space-size", "500")
			}
			if strings.Contains(command.line, "--disturb") { // which must begin during the load
				args = append(args, "--duration", "11s", "--dry-run")
			}
		}
		run := func() {
			cmd := exec.Command("etcdbench", args...)
			cmd.Dir = out
			if text, err := cmd.CombinedOutput(); err != nil && !verdict.Match(text) {
				t.Errorf("%s: %v\n%s", command.line, err, text)
			}
		}
		if args[0] == "run" {
			runs.Go(func() error { run(); return nil })
			continue
		}
		_ = runs.Wait() // its results are read
		run()
	}
	_ = runs.Wait()
	if ran < 8 {
		t.Errorf("found only %d runs in the README", ran)
	}
}
