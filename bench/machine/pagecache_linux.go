package machine

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// evictFile writes a file to its disk and evicts its pages. It returns the number of bytes that
// stayed in the page cache, and the size of the file.
func evictFile(path string) (stayed, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return 0, 0, err
	}
	if err := f.Sync(); err != nil { // dirty pages are not evicted
		return 0, 0, err
	}
	size = info.Size()
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
		return 0, size, fmt.Errorf("posix_fadvise: %w", err)
	}
	// A mapping that is not read brings no page into the cache.
	mapped, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return 0, size, fmt.Errorf("mmap: %w", err)
	}
	defer func() { _ = unix.Munmap(mapped) }()
	page := int64(os.Getpagesize())
	present := make([]byte, (size+page-1)/page)
	if err := mincore(mapped, present); err != nil {
		return 0, size, fmt.Errorf("mincore: %w", err)
	}
	for _, p := range present {
		stayed += int64(p&1) * page
	}
	return min(stayed, size), size, nil
}
