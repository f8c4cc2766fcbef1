package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// What the README says to type must work. Runs are made short, addresses and
// files that only a reader has are replaced; everything else is as it stands.
func TestReadmeCommands(t *testing.T) {
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
	commands := regexp.MustCompile(`(?m)^(?:go run \./cmd/)?(etcdbench [a-z]+(?: .*)?)$`).FindAllStringSubmatch(string(readme), -1)
	out := t.TempDir()
	ran := 0
	for _, m := range commands {
		line := nodes.ReplaceAllString(addresses.ReplaceAllString(m[1], "--endpoints "+endpoint), "nodes=10")
		args := strings.Fields(line)[1:]
		switch {
		case args[0] == "cluster", strings.Contains(m[1], "--cert"), strings.Contains(m[1], "--user"):
			continue // the scripts have these, with signals, certificates and passwords
		case strings.Contains(m[1], "--etcd-version") && os.Getenv("CI") == "":
			continue // builds for a minute
		case args[0] == "report":
			args[1] = filepath.Join(out, "0")
		case args[0] == "run":
			args = append(args, "--duration", "300ms", "--warmup", "0s", "--out", filepath.Join(out, string(rune('0'+ran))))
			ran++
			if strings.Contains(m[1], "range") {
				args = append(args, "--key-space-size", "500")
			}
		}
		cmd := exec.Command("etcdbench", args...)
		cmd.Dir = out
		if text, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(text), "measurement is invalid") {
			t.Errorf("%s: %v\n%s", m[1], err, text)
		}
	}
	if ran < 8 {
		t.Errorf("found only %d runs in the README", ran)
	}
}
