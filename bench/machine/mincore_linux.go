package machine

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore sets the lowest bit of a byte of present for each page of the mapping that is in
// memory.
func mincore(mapped, present []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MINCORE,
		uintptr(unsafe.Pointer(&mapped[0])), uintptr(len(mapped)), uintptr(unsafe.Pointer(&present[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
