package agent_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/agent"
)

// The shell of the other machine gets every argument as it is, and the token is not among
// them.
func TestSSHCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := "#!/bin/sh\nfor a; do printf '%s\\n' \"$a\"; done\n"
	if err := os.WriteFile(filepath.Join(dir, "etcdbench"), []byte(program), 0o700); err != nil {
		t.Fatal(err)
	}
	arguments := []string{"agent", "it's", "$(false)", "a b", "*", ""}
	list := agent.SSHCommands([]string{"a", "user@b"}, arguments, []byte("token"))
	for i, host := range []string{"a", "user@b"} {
		c := list[i]
		n := len(c.Arguments)
		if c.Program != "ssh" || c.Arguments[n-2] != host || c.Arguments[n-3] != "--" || string(c.Input) != "token" {
			t.Errorf("%+v", c)
		}
		if strings.Contains(strings.Join(c.Arguments, " "), "token") {
			t.Errorf("%q has the token", c.Arguments)
		}
		cmd := exec.Command("sh", "-c", c.Arguments[n-1])
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := cmd.Output()
		want := strings.Join(append(arguments, "--index", string(rune('0'+i))), "\n") + "\n"
		if err != nil || string(out) != want {
			t.Errorf("%v: got %q, want %q", err, out, want)
		}
	}
}
