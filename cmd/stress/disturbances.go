package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/etcdbench/etcdbench/bench/fault"
	"github.com/etcdbench/etcdbench/workloads"
)

// tryDisturbances interrupts a run with a disturbance of any kind, at a random time: before the
// disturbance, while it is begun, while it lasts or while it ends. No process may be left,
// running or stopped, no data, and no process that holds a member's link open.
func tryDisturbances(t *trial) error {
	begin := 500*time.Millisecond + time.Duration(t.Int64N(int64(time.Second)))
	d := disturbance(t, begin.Round(time.Millisecond))
	args := []string{
		"run", "put", "--members", "3", "--warmup", "0s", "--duration", "6s", "--clients", "16", "--timeout", "1s", "--drain", "1s",
		"--disturb", d,
		"--data-dir", t.dir, "--out", filepath.Join(t.dir, "out"),
	}
	s := pick(t, []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL})
	after := time.Duration(t.Int64N(int64(7 * time.Second)))
	t.what = fmt.Sprintf("%s, %v after %v", d, s, after.Round(time.Millisecond))
	c, err := t.start(args...)
	if err != nil {
		return err
	}
	select {
	case err := <-c.ended:
		c.ended <- err
	case <-time.After(after):
		if err := signalTo(c, s, false); err != nil {
			return err
		}
	}
	allowed := []int{0, 1, 5, 130}                   // 1: no operation succeeded
	if s == syscall.SIGKILL || after < time.Second { // which may come before the program's start
		allowed = append(allowed, -1)
	}
	code := t.finish(c, 3*patience, allowed...)
	t.orphans()
	if code >= 0 {
		t.leftData()
	}
	return nil
}

// requestsEvery is the interval of the disturbances that are made by requests, which are over at once.
const requestsEvery = 200 * time.Millisecond

// disturbance is a disturbance of any kind: once, with a member and a length, or again and again.
func disturbance(t *trial, begin time.Duration) string {
	d := pick(t, workloads.Disturbances())
	isFault := slices.ContainsFunc(fault.Kinds(), func(k fault.Kind) bool { return k.Name == d.Name })
	if !isFault {
		return fmt.Sprintf("%s@%v/%v", d.Name, begin, requestsEvery)
	}
	return fmt.Sprintf("%s@%v,member=%s", d.Name, begin, pick(t, []string{"leader", "follower", "all"}))
}

// leftData finds data directories of members that are left after a run which could remove
// them.
func (t *trial) leftData() {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		t.find(orphan, "%v", err)
	}
	var left []string
	for _, e := range entries {
		if e.Name() != "out" && e.Name() != "tmp" {
			left = append(left, e.Name())
		}
	}
	if len(left) > 0 {
		t.find(orphan, "data are left: %s", strings.Join(left, ", "))
	}
}
