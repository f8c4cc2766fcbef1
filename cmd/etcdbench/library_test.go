package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The program of docs/library.md does what the document says.
func TestLibraryProgram(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds a program and starts two clusters")
	}
	document, err := os.ReadFile("../../docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	program := regexp.MustCompile("(?s)```go\n(package main\n.*?)```").FindStringSubmatch(string(document))
	if program == nil {
		t.Fatal("docs/library.md has no program")
	}
	dir := t.TempDir()
	source, binary := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(source, []byte(strings.Replace(program[1], "5*time.Second", "2*time.Second", 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("go", "build", "-o", binary, source).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cmd := exec.Command(binary)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("run: %v\n%s", err, out)
	}
	for _, want := range []string{`(?m)^read throughput: .* before, .* after: `, `(?m)^update p50: `, `(?m)^ ?fsyncs: `} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	for _, file := range []string{"before/run.json", "after/run.json"} {
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Error(err)
		}
	}
	if lines := strings.Count(program[1][strings.Index(program[1], "func main"):], "\n"); lines > 32 {
		t.Errorf("the program has %d lines besides its imports", lines)
	}
}
