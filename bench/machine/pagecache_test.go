//go:build linux

package machine

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// What was evicted is not in the page cache, and what was read again is.
func TestEvictPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "file")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, inMemory := FileSystem(dir); inMemory {
		t.Skip("the file system is in memory")
	}
	want := bytes.Repeat([]byte("page"), 1<<18)
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	stayed, size, err := EvictPages(dir)
	if err != nil || size != 1<<20 || stayed > size/10 {
		t.Fatalf("%d of %d bytes stayed: %v", stayed, size, err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the file has changed: %v", err)
	}
	if _, _, err := EvictPages(filepath.Join(dir, "none")); err == nil {
		t.Error("a directory that is not there was evicted")
	}
}
