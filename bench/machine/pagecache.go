package machine

import (
	"fmt"
	"io/fs"
	"path/filepath"
)

// EvictPages writes the files of a directory to their disk and evicts them from the page cache
// (posix_fadvise, POSIX_FADV_DONTNEED). It returns the number of their bytes that stayed in the
// cache, according to mincore, and their total size. Pages that a process has mapped stay, and
// so do all pages of a file system in memory.
func EvictPages(dir string) (stayed, size int64, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		left, all, err := evictFile(path)
		stayed, size = stayed+left, size+all
		return err
	})
	if err != nil {
		return stayed, size, fmt.Errorf("evict %s from the page cache: %w", dir, err)
	}
	return stayed, size, nil
}
