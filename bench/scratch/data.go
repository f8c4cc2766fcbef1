package scratch

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/etcdbench/etcdbench/results"
)

// DataDir is the name of the members' data in the directory of a run.
const DataDir = "data"

// GivenDataDir is the name of a run's data in a directory that was given for them.
func GivenDataDir(id string) string { return "etcdbench-" + id }

var (
	// givenData matches the names of [GivenDataDir].
	givenData = regexp.MustCompile(`^etcdbench-\d{8}-\d{6}-[0-9a-f]{6}$`)
	// memberData matches what the members' data consist of.
	memberData = regexp.MustCompile(`^(m[1-9]|tls|snapshot|\.fdatasync-probe-\d+)$`)
)

// depth is how many directories lie between one of several results and the data of a run:
// an experiment and a run.
const depth = 2

// below returns the directories below one, down to the runs of an experiment.
func below(dir string) (list []string) {
	level := []string{dir}
	for range depth {
		var next []string
		for _, d := range level {
			next = append(next, subdirectories(d, nil)...)
		}
		list, level = append(list, next...), next
	}
	return list
}

// dataIn returns what can be members' data in a directory.
func dataIn(dir string) (list []string) {
	candidates := subdirectories(dir, givenData)
	// Of a run that has not written its result, the journal is there.
	if _, err := os.Lstat(filepath.Join(dir, results.JournalFile)); err == nil {
		candidates = append(candidates, filepath.Join(dir, DataDir))
	}
	for _, path := range candidates {
		if entries, err := os.ReadDir(path); err == nil && ours(entries) {
			list = append(list, path)
		}
	}
	return list
}

// ours reports whether a directory holds members' data and nothing else.
func ours(entries []fs.DirEntry) bool {
	for _, e := range entries {
		if !memberData.MatchString(e.Name()) {
			return false
		}
	}
	return true
}

// subdirectories returns the directories in one whose names match; all without an
// expression. It follows no links.
func subdirectories(dir string, name *regexp.Regexp) (list []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() && (name == nil || name.MatchString(e.Name())) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list
}
