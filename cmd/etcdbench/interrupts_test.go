package main

import (
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// interrupts N LONGEST DIR COMMAND... starts an experiment in DIR and interrupts it N
// times, each time after up to LONGEST, going on where it was; after each, neither a
// process nor a port is left.
func cmdInterrupts(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	longest, err := time.ParseDuration(args[1])
	ts.Check(err)
	for range n {
		call := append(slices.Clone(args[3:]), "--out", args[2])
		if _, err := os.Stat(ts.MkAbs(filepath.Join(args[2], "experiment.json"))); err == nil {
			call = []string{args[3], "--resume", args[2]}
		}
		after := rand.N(longest)
		cmd := exec.Command("etcdbench", call...)
		cmd.Dir = ts.MkAbs(".")
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		ts.Check(cmd.Start())
		time.Sleep(after)
		ports := memberPorts(ts.Getenv("WORK") + "/")
		if err := cmd.Process.Signal(os.Interrupt); !errors.Is(err, os.ErrProcessDone) {
			ts.Check(err)
		}
		// Requests in flight and a member that is stuck have their time.
		kill := time.AfterFunc(40*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		ts.Logf("interrupted after %v: exit code %d, %d ports", after, cmd.ProcessState.ExitCode(), len(ports))
		if !kill.Stop() {
			ts.Fatalf("interrupted after %v, it did not end: %s", after, out.String())
		}
		// At the very beginning, nobody listens to the signal yet.
		if code := cmd.ProcessState.ExitCode(); code != 130 && code != 0 && after > time.Second {
			ts.Fatalf("interrupted after %v: exit code %d: %s", after, code, out.String())
		}
		cmdNoProcess(ts, false, nil)
		for _, port := range ports {
			if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
				_ = c.Close()
				ts.Fatalf("interrupted after %v: port %s is still open", after, port)
			}
		}
	}
}

var portArgument = regexp.MustCompile(`--(?:listen-client-urls|listen-peer-urls|initial-advertise-peer-urls)=https?://127\.0\.0\.1:(\d+)`)

// memberPorts are the ports of the members that run now, and of their links.
func memberPorts(work string) (ports []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		data, _ := os.ReadFile(f)
		if !strings.Contains(string(data), work) {
			continue
		}
		for _, m := range portArgument.FindAllStringSubmatch(string(data), -1) {
			ports = append(ports, m[1])
		}
	}
	return ports
}
