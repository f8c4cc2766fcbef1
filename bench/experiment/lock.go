package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Lock prevents other processes from working on the experiment in a directory, until unlock is
// called or the process ends for any reason. It returns an error if another process holds the
// lock. On file systems without locks, it does nothing.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.Open(filepath.Join(dir, File))
	if err != nil {
		return nil, fmt.Errorf("lock experiment: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("another process works on the experiment in %s: wait until it has ended", dir)
	}
	return func() { _ = f.Close() }, nil
}
