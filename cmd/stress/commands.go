package main

import (
	"os"
	"path/filepath"
	"syscall"
)

// interruption is a command that gets a signal: its arguments, the exit codes with which it
// ends by itself, and those, in addition to these and 130, after a signal.
type interruption struct {
	args []string
	ends []int
	// after are the codes of commands that a signal ends as they are meant to end.
	after []int
}

// interruptions lists commands of every kind.
func (t *trial) interruptions() []interruption {
	out := filepath.Join(t.dir, "out")
	run := func(args ...string) interruption {
		return interruption{args: append(append([]string{"run"}, args...), "--warmup", "0s", "--duration", "4s", "--out", out), ends: []int{0, 5}}
	}
	experiment := func(ends []int, args ...string) interruption {
		return interruption{args: append(args, "--out", out), ends: ends}
	}
	slo := "put.response_time.p50 < 10s"
	return []interruption{
		run("--members", "1"),
		run("--members", "3", "--profile", "cpu"),
		run("lock", "--endpoints", t.endpoint),
		run("watch", "--endpoints", t.endpoint, "--rate", "500"),
		run("--members", "1", "--agents", "local:2", "--clients", "8"),
		experiment([]int{0, 3, 4}, "gate", "--members", "1", "--metric", "p50", "--rounds", "7", "--slot-duration", "1s", "--warmup", "0s",
			"--candidate", "backend-batch-limit=1"),
		experiment([]int{0, 3, 4}, "qualify", "saturate", "--quick", "--members", "1", "--candidate", "backend-batch-limit=1"),
		experiment([]int{0, 3, 4, 5}, "capacity", "--members", "1", "--clients", "8", "--start", "100", "--warmup", "0s",
			"--probe-duration", "1s", "--soak", "0s", "--slo", slo),
		experiment([]int{0, 4}, "tune", "--quick", "--rounds", "0", "--steady", "5s"),
		experiment([]int{0, 5}, "scale", "--quick"),
		{args: []string{"benchmark", "--endpoints", t.endpoint, "put", "--total", "20000", "--clients", "8"}, ends: []int{0}},
		{args: []string{"cluster", "--members", "1"}, after: []int{0}},
		{args: []string{"agent", "--join", "https://127.0.0.1:1", "--join-file", t.token}, ends: []int{1}},
		{args: []string{"clean", "--endpoints", t.endpoint}, ends: []int{0}},
		{args: []string{"report", t.result, "--format", "html"}, ends: []int{0}},
		{args: []string{"report", "--history", t.rig.dir}, ends: []int{0}},
		{args: []string{"compare", t.result, t.result}, ends: []int{0}},
	}
}

// leftovers finds temporary directories that a command has left which could remove them.
func (t *trial) leftovers(code int, s syscall.Signal) {
	if code < 0 || s == syscall.SIGKILL {
		return
	}
	entries, _ := os.ReadDir(t.temporary()) // none if no command has made it
	for _, e := range entries {
		t.find(orphan, "exit code %d, and %s is left", code, e.Name())
	}
}
