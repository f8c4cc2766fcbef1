package scratch_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/etcdbench/etcdbench/bench/scratch"
)

// TestMain is also the process that makes a directory and is killed.
func TestMain(m *testing.M) {
	if kind := os.Getenv("SCRATCH_TEST_KIND"); kind != "" {
		d, err := scratch.Make(scratch.Kind(kind))
		if err != nil {
			os.Exit(1)
		}
		_, _ = os.Stdout.WriteString(d.Path)
		_ = os.Stdout.Close()
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// A directory is abandoned when its process was killed, and not before.
func TestKilledProcess(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for _, kind := range []scratch.Kind{scratch.Agents, scratch.Cluster, scratch.Coordination, scratch.Run} {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SCRATCH_TEST_KIND="+string(kind))
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		path, err := io.ReadAll(stdout)
		if err != nil || len(path) == 0 {
			t.Fatalf("%q, %v", path, err)
		}
		if list := scratch.Abandoned(); len(list) > 0 {
			t.Errorf("%s: %v while its process lives", kind, list)
		}
		if err := scratch.RemoveAbandoned(string(path)); !errors.Is(err, scratch.ErrInUse) {
			t.Errorf("%s: %v", kind, err)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if list := scratch.Abandoned(); !slices.Equal(list, []string{string(path)}) {
			t.Errorf("%s: %v, want %s", kind, list, path)
		}
		if err := scratch.RemoveAbandoned(string(path)); err != nil {
			t.Error(err)
		}
		if list := scratch.Abandoned(); len(list) > 0 {
			t.Errorf("%s: %v after the removal", kind, list)
		}
	}
}

// A directory that is released stays, one that is removed is gone.
func TestDir(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	d, err := scratch.Make(scratch.Run)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(d.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if d, err = scratch.Make(scratch.Run); err != nil {
		t.Fatal(err)
	}
	d.Release()
	if list := scratch.Abandoned(); !slices.Equal(list, []string{d.Path}) {
		t.Errorf("%v", list)
	}
	if err := errors.Join((*scratch.Dir)(nil).Remove(), scratch.RemoveAbandoned(filepath.Join(d.Path, "none"))); err != nil {
		t.Error(err)
	}
}

// Data of members are found in results, experiments and directories that were given for
// them. What someone else made is not.
func TestData(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	root := t.TempDir()
	for _, path := range []string{
		"run/intervals.jsonl", "run/data/",
		"gate/slot/intervals.jsonl", "gate/slot/data/m1/member/wal/0.wal",
		"held/intervals.jsonl", "held/data/m1/",
		"etcdbench-20261120-101500-a1b2c3/m1/db", "etcdbench-20261120-101500-a1b2c3/tls/",
		// not ours:
		"other/data/m1/", "mixed/intervals.jsonl", "mixed/data/m1/", "mixed/data/photo.jpg", "etcdbench-notes/m1/", "linked/intervals.jsonl",
	} {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			t.Fatal(err)
		}
		if path[len(path)-1] == '/' {
			if err := os.MkdirAll(full, 0o700); err != nil {
				t.Fatal(err)
			}
		} else if err := os.WriteFile(full, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "other", "data"), filepath.Join(root, "linked", "data")); err != nil {
		t.Fatal(err)
	}
	held, err := scratch.Hold(filepath.Join(root, "held", "data"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		filepath.Join(root, "etcdbench-20261120-101500-a1b2c3"), filepath.Join(root, "gate", "slot", "data"), filepath.Join(root, "run", "data"),
	}
	list := scratch.Abandoned(root, filepath.Join(root, "run"), filepath.Join(root, "linked"), filepath.Join(root, "none"))
	if !slices.Equal(list, want) {
		t.Errorf("%v, want %v", list, want)
	}
	held.Release()
	if list := scratch.Abandoned(root); len(list) != 4 {
		t.Errorf("%v", list)
	}
}
