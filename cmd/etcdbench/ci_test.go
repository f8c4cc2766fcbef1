package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// ciFiles are the jobs for CI systems, by path from the root.
var ciFiles = [...]string{"action.yml", "docs/ci/github.yml", "docs/ci/prow.yaml", "docs/ci/gitlab.yml"}

func readRoot(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var quotedFile = regexp.MustCompile("(?s)\n\\[(docs/[^\\]]+)\\]\\(([^)]+)\\):\n\n(?:<!--[^\n]*-->\n)?```[a-z]*\n(.*?)```\n")

// Each file that docs/ci.md quotes is quoted as it is, and each job is quoted.
func TestQuotedJobs(t *testing.T) {
	t.Parallel()
	quoted := map[string]bool{}
	for _, m := range quotedFile.FindAllStringSubmatch(readRoot(t, "docs/ci.md"), -1) {
		if "docs/"+m[2] != m[1] {
			t.Errorf("%s has a link to %s", m[1], m[2])
		}
		if readRoot(t, m[1]) != m[3] {
			t.Errorf("docs/ci.md quotes %s otherwise than it is", m[1])
		}
		quoted[m[1]] = true
	}
	for _, path := range ciFiles[1:] {
		if !quoted[path] {
			t.Errorf("docs/ci.md does not quote %s", path)
		}
	}
}

var (
	ciCommand = regexp.MustCompile(`etcdbench"? ([a-z]+) ([^|;)\n]*)`)
	ciFlag    = regexp.MustCompile(`--([a-z][a-z-]*)`)
	ciUses    = regexp.MustCompile(`uses: (\S+)@(\S+)(.*)`)
	fullHash  = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// Jobs use commands and flags that exist, pin versions, need no secret, and put no value of an
// event into a script.
func TestJobs(t *testing.T) {
	t.Parallel()
	for _, path := range ciFiles {
		text := readRoot(t, path)
		commands := ciCommand.FindAllStringSubmatch(strings.ReplaceAll(text, "\\\n", " "), -1)
		if path == "docs/ci/github.yml" { // which leaves the command to the action
			commands = [][]string{{"", "gate", regexp.MustCompile(`arguments: .*`).FindString(text)}}
		}
		for _, c := range commands {
			cmd, _, err := newRootCommand().Find([]string{c[1]})
			if err != nil {
				t.Errorf("%s: %v", path, err)
				continue
			}
			for _, f := range ciFlag.FindAllStringSubmatch(c[2], -1) {
				if cmd.Flags().Lookup(f[1]) == nil {
					t.Errorf("%s: etcdbench %s has no --%s", path, c[1], f[1])
				}
			}
		}
		if len(commands) == 0 {
			t.Errorf("%s has no command of etcdbench", path)
		}
		for _, m := range ciUses.FindAllStringSubmatch(text, -1) {
			if m[1] != "etcdbench/etcdbench" && (!fullHash.MatchString(m[2]) || !strings.Contains(m[3], "# v")) {
				t.Errorf("%s: %s is not pinned by its hash, with the version behind it", path, m[1])
			}
		}
		for _, word := range []string{":latest", "@latest", "@main", "secrets.", "-latest", "pull_request_target"} {
			if strings.Contains(text, word) {
				t.Errorf("%s has %q", path, word)
			}
		}
	}
	for _, step := range actionSteps(t) {
		if strings.Contains(step.Run, "${{") {
			t.Errorf("action.yml, step %s: an expression is part of the script", step.Name)
		}
	}
}

type actionStep struct{ Name, Run string }

func actionSteps(t *testing.T) []actionStep {
	var action struct{ Runs struct{ Steps []actionStep } }
	if err := yaml.Unmarshal([]byte(readRoot(t, "action.yml")), &action); err != nil {
		t.Fatal(err)
	}
	return action.Runs.Steps
}

// prowScript is the script of the Prow job, gitlabScript that of the GitLab job, which ends
// at the first command that fails.
func prowScript(t *testing.T) string {
	var jobs struct {
		Presubmits map[string][]struct {
			Spec struct{ Containers []struct{ Args []string } }
		}
	}
	if err := yaml.Unmarshal([]byte(readRoot(t, "docs/ci/prow.yaml")), &jobs); err != nil {
		t.Fatal(err)
	}
	return jobs.Presubmits["etcd-io/etcd"][0].Spec.Containers[0].Args[0]
}

func gitlabScript(t *testing.T) string {
	var jobs map[string]struct{ Script []string }
	if err := yaml.Unmarshal([]byte(readRoot(t, "docs/ci/gitlab.yml")), &jobs); err != nil {
		t.Fatal(err)
	}
	return "set -e\n" + strings.Join(jobs["etcd performance"].Script, "\n")
}

// stubs make a directory of programs that stand for git, go and etcdbench. etcdbench gate
// leaves a verdict, unless it could not be carried out, and exits with $CODE.
func stubs(t *testing.T) string {
	dir := t.TempDir()
	for name, script := range map[string]string{
		"go": "exit 0", "git": `mkdir -p "$3/server"`,
		"etcdbench": `echo "$@" >> "$RUNNER_TEMP/calls"
[ "$1" = gate ] || exit 0
while [ $# -gt 1 ]; do [ "$1" = --out ] && out=$2; shift; done
[ "$CODE" -gt 2 ] || [ "$CODE" = 0 ] && mkdir -p "$out" && echo '{}' > "$out/verdict.json"
echo verdict
exit "$CODE"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Scripts of jobs map the exit codes as docs/ci.md says.
func TestJobsMapExitCodes(t *testing.T) {
	t.Parallel()
	steps := actionSteps(t)
	action := "set -eo pipefail\n" + steps[len(steps)-1].Run
	verdicts := map[int]string{0: "pass", 1: "none", 2: "none", 3: "fail", 4: "inconclusive", 5: "invalid"}
	for name, job := range map[string]struct {
		script, inconclusive string
		four                 int
	}{
		"action": {action, "warn", 0}, "action that fails": {action, "fail", 4}, "prow": {prowScript(t), "", 0}, "gitlab": {gitlabScript(t), "", 4},
	} {
		script := strings.ReplaceAll(job.script, "/tmp/base", filepath.Join(t.TempDir(), "base"))
		for code, verdict := range verdicts {
			dir := stubs(t)
			if err := os.MkdirAll(filepath.Join(dir, "server"), 0o755); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("bash", "-c", script)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), fmt.Sprint("CODE=", code), "RUNNER_TEMP="+dir, "ARTIFACTS="+dir,
				"GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary"), "GITHUB_OUTPUT="+filepath.Join(dir, "output"),
				"BASELINE=etcd=v3.6.14", "CANDIDATE=binary=x; touch injected", "WORKLOAD=put", "ARGUMENTS=--quick --rounds 6", "DIRECTORY=result", "INCONCLUSIVE="+job.inconclusive)
			out, err := cmd.CombinedOutput()
			want, got := code, 0
			if code == 4 {
				want = job.four
			}
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				got = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("%s: exit code %d of the gate becomes %d, want %d: %s", name, code, got, want, out)
			}
			if !strings.HasPrefix(name, "action") {
				continue
			}
			output, _ := os.ReadFile(filepath.Join(dir, "output"))
			if string(output) != "verdict="+verdict+"\n" {
				t.Errorf("%s, exit code %d: output %q", name, code, output)
			}
			calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
			if !strings.Contains(string(calls), "--candidate binary=x; touch injected --out result") || !strings.Contains(string(calls), "--quick --rounds 6\n") {
				t.Errorf("%s: calls %q", name, calls)
			}
			if _, err := os.Stat(filepath.Join(dir, "result.xml")); (err == nil) != (verdict != "none") {
				t.Errorf("%s, exit code %d: the file for JUnit: %v", name, code, err)
			}
		}
	}
}
