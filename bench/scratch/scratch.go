// Package scratch makes directories that last as long as a process, and finds those whose
// process was killed. A lock on the directory itself tells them apart: the system releases
// it however the process ends. Where a file system has no locks, a directory is never
// taken for an abandoned one.
package scratch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
)

// Kind says what a temporary directory is for. It is a part of the name.
type Kind string

// The kinds of temporary directories.
const (
	// Agents has the logs of agents on this machine, and their join token.
	Agents Kind = "agents"
	// Cluster has the data and logs of a cluster without a run.
	Cluster Kind = "cluster"
	// Coordination has the data of the etcd over which agents are coordinated.
	Coordination Kind = "coordination"
	// Run has the result of a run that is not kept.
	Run Kind = "run"
)

// temporary matches the names of temporary directories.
var temporary = regexp.MustCompile(`^etcdbench-(agents|cluster|coordination|run)-\d+$`)

// Dir is a directory that this process holds.
type Dir struct {
	Path string
	file *os.File
}

// Make makes a temporary directory. The caller removes it.
func Make(kind Kind) (*Dir, error) {
	for {
		path, err := os.MkdirTemp("", "etcdbench-"+string(kind)+"-")
		if err != nil {
			return nil, fmt.Errorf("make temporary directory: %w", err)
		}
		d, err := Hold(path)
		if err != nil {
			return nil, err
		}
		// Between the two steps, another process may have taken it for an abandoned one.
		if _, err := os.Lstat(path); err == nil {
			return d, nil
		}
		d.Release()
	}
}

// Hold makes a directory count as used until it is released or the process ends.
func Hold(path string) (*Dir, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("hold directory: %w", err)
	}
	_ = flock(f, syscall.LOCK_EX) // some file systems have no locks
	return &Dir{path, f}, nil
}

// Release ends the use of the directory, which stays. Without a directory it does nothing.
func (d *Dir) Release() {
	if d != nil {
		_ = d.file.Close()
	}
}

// Remove removes the directory and what is in it. Without a directory it does nothing.
func (d *Dir) Remove() error {
	if d == nil {
		return nil
	}
	defer d.Release()
	return os.RemoveAll(d.Path)
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// ErrInUse says that a process holds a directory, or that it is not known whether one
// does.
var ErrInUse = errors.New("a process uses the directory")

// take holds a directory that no process holds.
func take(path string) (*Dir, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return nil, err
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, ErrInUse
	}
	return &Dir{path, f}, nil
}

// Abandoned returns the directories that processes have left: temporary ones, and the data
// of members in the given directories, which are those of results, of experiments, of
// several of these, or of --data-dir. Directories that this user cannot open are left out.
func Abandoned(directories ...string) (paths []string) {
	paths = append(withoutHolder(subdirectories(os.TempDir(), temporary)), AbandonedData(directories...)...)
	slices.Sort(paths)
	return slices.Compact(paths)
}

// AbandonedData returns the data of members as [Abandoned] does, without temporary directories.
func AbandonedData(directories ...string) []string {
	var candidates []string
	for _, dir := range directories {
		for _, d := range append([]string{dir}, below(dir)...) {
			candidates = append(candidates, dataIn(d)...)
		}
	}
	return withoutHolder(candidates)
}

// withoutHolder returns the directories that no process holds.
func withoutHolder(candidates []string) (paths []string) {
	for _, path := range candidates {
		if d, err := take(path); err == nil {
			d.Release()
			paths = append(paths, path)
		}
	}
	return paths
}

// RemoveAbandoned removes a directory that [Abandoned] returned. The error is [ErrInUse]
// where a process has begun to use it.
func RemoveAbandoned(path string) error {
	d, err := take(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return d.Remove()
}

// Size returns how many bytes the files in a directory have together, as far as this user
// can read it.
func Size(path string) (bytes int64) {
	_ = filepath.WalkDir(path, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			bytes += info.Size()
		}
		return nil
	})
	return bytes
}
