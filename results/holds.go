package results

import (
	"os"
	"path/filepath"
)

// KindIn returns the kind of the document that a directory holds. It looks at the names of
// the files and reads none. ok is false where the directory holds no document.
func KindIn(dir string) (kind Kind, ok bool) {
	for _, k := range kinds {
		if _, err := os.Stat(filepath.Join(dir, k.file)); err == nil {
			return k.kind, true
		}
	}
	_, err := os.Stat(filepath.Join(dir, JournalFile))
	return KindRun, err == nil
}
