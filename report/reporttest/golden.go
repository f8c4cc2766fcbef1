package reporttest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// WithoutScripts returns a page without the content of its style and script, which
// are files of their own.
func WithoutScripts(page string) string { return styleAndScript.ReplaceAllString(page, "<$1>…</$1>") }

var styleAndScript = regexp.MustCompile(`(?s)<(style|script)>.*?</(?:style|script)>`)

var update = flag.Bool("update", false, "rewrite the golden files")

// Updating reports whether the flag -update asks tests to rewrite golden files.
func Updating() bool { return *update }

// Golden fails the test unless got is the content of the golden file of that name
// in testdata. With the flag -update, it writes the file first.
func Golden(t testing.TB, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s has changed; run with -update if that is meant:\n%s", name, got)
	}
}
