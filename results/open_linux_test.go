package results

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A named pipe without a writer, and a device without an end, are refused at once.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, "/dev/zero"} {
		if _, err := ReadDocument(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", path, err)
		}
	}
	small := writeFile(t, "12345", dir, "small")
	if data, err := ReadFile(small, 5); err != nil || string(data) != "12345" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := ReadFile(small, 4); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Error(err)
	}
}
