package results

import (
	"os"
	"path/filepath"
)

// KindIn returns the kind of the document in a directory by the names of its files. It reads no
// file. ok is false if the directory contains no document.
func KindIn(dir string) (kind Kind, ok bool) {
	for _, k := range kinds {
		if _, err := os.Stat(filepath.Join(dir, k.file)); err == nil {
			return k.kind, true
		}
	}
	_, err := os.Stat(filepath.Join(dir, JournalFile))
	return KindRun, err == nil
}
