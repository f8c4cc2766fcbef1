package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// tryDisks fills the disk of a member or of the result. It does nothing where no file system may be
// mounted.
func tryDisks(t *trial) error {
	small := filepath.Join(t.dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		return err
	}
	size := 40 + t.IntN(300)
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", size), "tmpfs", small).CombinedOutput(); err != nil {
		t.what = "not tried: " + lastLines(string(out))
		return nil
	}
	defer func() { _ = exec.Command("umount", "-l", small).Run() }()
	args := []string{
		"run", "put", "--members", pick(t, []string{"1", "3"}), "--warmup", "0s", "--duration", "4s", "--clients", "32", "--val-size", "20000",
		"--timeout", "1s", "--drain", "1s",
	}
	limit, err := t.announced(args)
	if err != nil {
		return err
	}
	data, out := small, filepath.Join(t.dir, "out")
	if t.IntN(3) == 0 {
		data, out = t.dir, filepath.Join(small, "out")
		fill := make([]byte, size<<20-t.IntN(64<<10))
		_ = os.WriteFile(filepath.Join(small, "fill"), fill, 0o644) // as far as it goes
	}
	t.what = fmt.Sprintf("%d MiB for the data: %v: %s", size, data == small, strings.Join(args, " "))
	c, err := t.start(append(args, "--data-dir", data, "--out", out)...)
	if err != nil {
		return err
	}
	t.finish(c, limit+patience, 0, 1, 5)
	t.orphans()
	return nil
}

// tryFullDisks fills the disk of the members' data at a random time of a gate or a capacity
// search. Nothing that was measured on a full disk may make a gate pass or give a capacity
// without a warning: unless the command had ended before, it fails and says how to go on.
func tryFullDisks(t *trial) error {
	small := filepath.Join(t.dir, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		return err
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", small).CombinedOutput(); err != nil {
		t.what = "not tried: " + lastLines(string(out))
		return nil
	}
	defer func() { _ = exec.Command("umount", "-l", small).Run() }()
	how := pick(t, []interruption{
		{args: []string{"gate", "--members", "1", "--metric", "p50", "--rounds", "7", "--slot-duration", "2s", "--warmup", "0s",
			"--candidate", "backend-batch-limit=1", "--val-size", "20000"}, ends: []int{0, 3, 4}},
		{args: []string{"capacity", "--members", "1", "--clients", "8", "--start", "100", "--warmup", "0s", "--probe-duration", "2s",
			"--soak", "5s", "--slo", "put.response_time.p50 < 10s", "--val-size", "20000"}, ends: []int{0, 3, 4, 5}},
	})
	after := 3*time.Second + time.Duration(t.Int64N(int64(10*time.Second)))
	t.what = fmt.Sprintf("%s, full after %v", strings.Join(how.args, " "), after.Round(time.Millisecond))
	c, err := t.start(append(how.args, "--data-dir", small, "--progress", "none", "--out", filepath.Join(t.dir, "out"))...)
	if err != nil {
		return err
	}
	allowed := how.ends
	select {
	case err := <-c.ended:
		c.ended <- err
	case <-time.After(after):
		// No space is left, even if the members remove files.
		stop := make(chan struct{})
		defer close(stop)
		go keepFull(small, stop)
		allowed = []int{1, 4, 5}
	}
	t.finish(c, 3*time.Minute, allowed...)
	t.orphans()
	return nil
}

// keepFull takes the space of a file system that is left, again and again.
func keepFull(dir string, stop <-chan struct{}) {
	f, err := os.Create(filepath.Join(dir, "fill"))
	if err != nil {
		return
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for {
		if n, err := f.Write(block); n == 0 && err != nil {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
}
