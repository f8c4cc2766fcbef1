//go:build unix

package lean

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

const canTry = true

// tryWrite writes as much as the socket accepts without waiting, possibly nothing.
func tryWrite(fd uintptr, p []byte) (written int, err error) {
	for written < len(p) {
		n, err := unix.Write(int(fd), p[written:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return written, nil
		case err != nil:
			return written, os.NewSyscallError("write", err)
		case n == 0:
			return written, io.ErrUnexpectedEOF
		}
		written += n
	}
	return written, nil
}
