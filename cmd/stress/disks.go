package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tryDisks has the disk of a member, or of the result, run full. Where no file system may be
// mounted it does nothing.
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
	t.finish(c, limit+patience, 0, 1, 2, 3, 4, 5)
	t.orphans()
	return nil
}
