package experiment

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Lock keeps other processes from going on with the experiment in a directory, until
// unlock is called or the process ends, however it ends. It returns an error where another
// process has it. On file systems without locks, it does nothing.
func Lock(dir string) (unlock func(), err error) {
	f, err := os.Open(filepath.Join(dir, File))
	if err != nil {
		return nil, fmt.Errorf("lock experiment: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		_ = f.Close()
		return nil, fmt.Errorf("another process works on the experiment in %s: wait for its end", dir)
	}
	return func() { _ = f.Close() }, nil
}
