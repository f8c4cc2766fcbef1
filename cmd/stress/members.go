package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tryMembers kills or stops members of a cluster that etcdbench has started, one or all.
func tryMembers(t *trial) error {
	s := pick(t, []syscall.Signal{syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTERM})
	all, after := t.IntN(3) == 0, 2*time.Second+time.Duration(t.Int64N(int64(3*time.Second)))
	members := pick(t, []string{"1", "3"})
	args := []string{
		"run", pick(t, []string{"put", "txn-cas", "lock", "watch"}), "--members", members, "--warmup", "0s", "--duration", "5s",
		"--clients", "16", "--timeout", "1s", "--drain", "1s",
	}
	t.what = fmt.Sprintf("%s, %v after %v, all %v", strings.Join(args, " "), s, after.Round(time.Millisecond), all)
	limit, err := t.announced(args)
	if err != nil {
		return err
	}
	c, err := t.start(append(args, "--data-dir", t.dir, "--out", filepath.Join(t.dir, "out"))...)
	if err != nil {
		return err
	}
	which := t.Uint64()
	timer := time.AfterFunc(after, func() { signalMembers(t.dir, s, all, which) })
	defer timer.Stop()
	code := t.finish(c, limit+patience, 0, 1, 5)
	t.orphans()
	t.lostResults(time.Now(), 0, code)
	return nil
}

// signalMembers signals one member, or all, whose data lie below a directory.
func signalMembers(dir string, s syscall.Signal, all bool, which uint64) {
	var members []int
	for _, line := range processes(dir + "/") {
		number, command, _ := strings.Cut(line, " ")
		if pid, err := strconv.Atoi(number); err == nil && strings.Contains(command, "--data-dir=") && pid != os.Getpid() {
			members = append(members, pid)
		}
	}
	for i, pid := range members {
		if all || i == int(which%uint64(len(members))) {
			_ = syscall.Kill(pid, s) // it may have ended
		}
	}
}

// tryTwoRuns has two runs work on one cluster at once, under different prefixes or the same
// one, which one of them may refuse.
func tryTwoRuns(t *trial) error {
	prefix := fmt.Sprintf("/stress/%d/", t.Uint64())
	prefixes := []string{prefix, fmt.Sprintf("/stress/%d/", t.Uint64())}
	same := t.IntN(2) == 0
	if same {
		prefixes[1] = prefix
	}
	t.what = fmt.Sprintf("same prefix %v", same)
	theirs, err := t.plant(prefix)
	if err != nil {
		return err
	}
	var commands [2]*command
	for i := range commands {
		args := []string{"run", pick(t, []string{"put", "delete", "txn-cas"}), "--endpoints", t.endpoint, "--prefix", prefixes[i],
			"--warmup", "0s", "--duration", "2s", "--clients", "8", "--verify", "--out", filepath.Join(t.dir, "out", strconv.Itoa(i))}
		if commands[i], err = t.start(args...); err != nil {
			return err
		}
		time.Sleep(time.Duration(t.Int64N(int64(time.Second))))
	}
	for i, c := range commands {
		allowed := []int{0, 5}
		if same {
			allowed = append(allowed, 1, 2) // refused
		}
		code := t.finish(c, time.Minute, allowed...)
		if !same && code == 2 {
			t.find(exitCode, "run %d was refused", i)
		}
	}
	return theirs.check()
}
