package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// trySignals ends a command of any kind with signals at a random time.
func trySignals(t *trial) error {
	slo := "put.response_time.p50 < 10s"
	candidates := [][]string{
		{"run", "--members", "1", "--warmup", "0s", "--duration", "4s"},
		{"run", "--members", "3", "--warmup", "1s", "--duration", "4s", "--profile", "cpu"},
		{"run", "lock", "--endpoints", t.endpoint, "--warmup", "0s", "--duration", "4s"},
		{"run", "watch", "--endpoints", t.endpoint, "--warmup", "0s", "--duration", "4s", "--rate", "500"},
		{"gate", "--members", "1", "--metric", "p50", "--rounds", "7", "--slot-duration", "1s", "--warmup", "0s",
			"--candidate", "backend-batch-limit=1"},
		{"capacity", "--members", "1", "--clients", "8", "--start", "100", "--warmup", "0s", "--probe-duration", "1s", "--soak", "0s",
			"--slo", slo},
		{"tune", "--quick", "--rounds", "0", "--steady", "5s"},
	}
	args := append(pick(t, candidates), "--out", filepath.Join(t.dir, "out"))
	s := pick(t, []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL})
	group, after := t.IntN(2) == 0 && s != syscall.SIGKILL, time.Duration(t.Int64N(int64(6*time.Second)))
	t.what = fmt.Sprintf("%s, %v after %v, group %v", strings.Join(args, " "), s, after.Round(time.Millisecond), group)
	theirs, err := t.plant("/etcdbench/")
	if err != nil {
		return err
	}
	c, err := t.start(args...)
	if err != nil {
		return err
	}
	limit := time.Minute
	select {
	case err := <-c.ended:
		c.ended <- err
	case <-time.After(after):
		if err := signalTo(c, s, group); err != nil {
			return err
		}
		limit = 2 * patience // requests in flight and members have their time
	}
	signalled := time.Now()
	allowed := []int{0, 3, 4, 5, 130}
	if s == syscall.SIGKILL || after < time.Second { // which may come before the program's start
		allowed = append(allowed, -1)
	}
	code := t.finish(c, limit, allowed...)
	t.orphans()
	t.lostResults(signalled, code)
	return theirs.check()
}

// lostResults finds runs of the trial that cannot be read, or have lost more than one second
// before a signal.
func (t *trial) lostResults(signalled time.Time, code int) {
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
			// An interval of one second, and how late a busy machine may write it.
			if age := signalled.Sub(info.ModTime()); age > 2500*time.Millisecond {
				t.find(lost, "the journal of %s ends %v before the signal", dir, age)
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
