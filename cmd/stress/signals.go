package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// trySignals ends a command of any kind with signals at a random time.
func trySignals(t *trial) error {
	how := pick(t, t.interruptions())
	s := pick(t, []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL})
	longest := 6 * time.Second
	if t.IntN(3) == 0 {
		longest = time.Second // while it starts, or while a short one works
	}
	group, after := t.IntN(2) == 0 && s != syscall.SIGKILL, time.Duration(t.Int64N(int64(longest)))
	t.what = fmt.Sprintf("%s, %v after %v, group %v", strings.Join(how.args, " "), s, after.Round(time.Millisecond), group)
	theirs, err := t.plant("/etcdbench/")
	if err != nil {
		return err
	}
	c, err := t.start(how.args...)
	if err != nil {
		return err
	}
	limit, allowed, signalled := time.Minute, how.ends, time.Now()
	select {
	case err := <-c.ended:
		c.ended <- err
	case <-time.After(after):
		signalled = time.Now()
		if err := signalTo(c, s, group); err != nil {
			return err
		}
		limit = 2 * patience // requests in flight and members have their time
		allowed = slices.Concat(how.ends, how.after, []int{130})
		if s == syscall.SIGKILL || after < time.Second { // which may come before the program's start
			allowed = append(allowed, -1)
		}
	}
	stalled := t.stall(signalled)
	code := t.finish(c, limit, allowed...)
	t.orphans()
	t.leftovers(code, s)
	t.lostResults(signalled, stalled, code)
	return theirs.check()
}

// stall returns for how long this process did not run in the seconds before a time: a busy
// machine holds up the readout of etcdbench as long.
func (t *trial) stall(at time.Time) time.Duration { return t.watch.longest(at.Add(-5*time.Second), at) }

// lostResults finds runs of the trial that cannot be read, or have lost more than one second
// before a signal. stalled is how long the machine was stalled before it.
func (t *trial) lostResults(signalled time.Time, stalled time.Duration, code int) {
	_ = filepath.WalkDir(filepath.Join(t.dir, "out"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() != results.JournalFile {
			return nil
		}
		dir := filepath.Dir(path)
		if code >= 0 {
			if _, err := os.Stat(filepath.Join(dir, results.RunFile)); errors.Is(err, fs.ErrNotExist) {
				t.find(lost, "exit code %d, and %s has no %s", code, dir, results.RunFile)
			}
		}
		n := 0
		if err := results.EachInterval(dir, func(*results.Interval) error { n++; return nil }); err != nil {
			t.find(lost, "%s: %v", path, err)
		}
		if _, err := results.Read(dir); err != nil && n > 0 {
			t.find(lost, "%s: %v", dir, err)
		}
		info, err := e.Info()
		if err == nil && code < 0 && n > 0 && !exists(filepath.Join(dir, results.RunFile)) && !t.proving(dir) {
			// An interval of one second, how long its line takes to the disk, and how late a
			// busy machine reads it out.
			const synced = 250 * time.Millisecond
			if age := signalled.Sub(info.ModTime()); age > time.Second+synced+2*stalled {
				t.find(lost, "the journal of %s ends %v before the signal, the machine stood still for %v", dir, age, stalled)
			}
		}
		return nil
	})
}

// proving reports whether a run had come to the end of its load, after which there is nothing
// to write until the result.
func (t *trial) proving(dir string) bool {
	run, err := results.Read(dir)
	if err != nil {
		return false
	}
	var planned, measured time.Duration
	for _, p := range run.Plan.Phases {
		planned += p.Duration
	}
	for _, p := range run.Phases {
		measured += p.Length
	}
	return measured > planned-1500*time.Millisecond
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
