package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// The files of a run's directory. An experiment's directory also contains a page.
const (
	RunFile     = "run.json"
	JournalFile = "intervals.jsonl"
	MembersDir  = "members"
	PageFile    = "report.html"
)

// The documents of experiments and gates in their directories.
const (
	VerdictFile  = "verdict.json"
	CapacityFile = "capacity.json"
	ScaleFile    = "scale.json"
	TuningFile   = "tuning.json"
	// PublishedFile is the document of a comparison with published figures.
	PublishedFile = "published.json"
)

// ExperimentFile is the request of an experiment in its directory. The runs below such a
// directory are parts of the experiment.
const ExperimentFile = "experiment.json"

const (
	maxDocument = 64 << 20
	maxLine     = 16 << 20
)

// Dir is the open directory of a run in progress.
type Dir struct {
	Path   string
	coarse coarsening

	mu      sync.Mutex
	journal *os.File
	length  journalLength
	// coarsened is closed when the journal is not being rewritten. Closing closing stops a
	// rewrite.
	coarsened, closing chan struct{}
}

// Create creates the directory of a new run. It returns an error if the directory contains a
// result, so that nothing is overwritten.
func Create(path string) (*Dir, error) {
	for _, name := range []string{RunFile, JournalFile} {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return nil, fmt.Errorf("create run directory: %s already contains a result (%s)", path, name)
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, JournalFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	d := &Dir{Path: path, journal: f, coarse: coarsening{journalLines, journalLatest, journalBytes, coarsenPause}}
	d.coarsened, d.closing = make(chan struct{}), make(chan struct{})
	close(d.coarsened)
	return d, nil
}

// SetAside renames the directory of an interrupted run, or of several runs, so that nothing is
// lost when it is repeated.
func SetAside(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for n := 1; ; n++ {
		to := fmt.Sprintf("%s.cut-short-%d", path, n)
		if _, err := os.Stat(to); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, to)
		}
	}
}

// Close closes the journal. It removes an empty journal, and then the directory if that is
// empty.
func (d *Dir) Close() error {
	close(d.closing) // a run's directory is closed once
	<-d.coarsened
	info, statErr := d.journal.Stat()
	err := d.journal.Close()
	if statErr == nil && info.Size() == 0 {
		if rmErr := os.Remove(filepath.Join(d.Path, JournalFile)); rmErr == nil {
			_ = os.Remove(d.Path) // fails, as intended, if the directory contains other files
		}
	}
	return err
}

// WriteRun writes the document atomically.
func (d *Dir) WriteRun(run *Run) error {
	data, err := Encode(run)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(d.Path, ".run-*")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(d.Path, RunFile))
	}
	if err != nil {
		_ = os.Remove(tmp.Name())
		return fmt.Errorf("write result: %w", err)
	}
	if dir, err := os.Open(d.Path); err == nil { // syncs the rename
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// Read reads a result: a run's directory, a run.json, or a journal. A directory without a
// run.json is rebuilt from its journal, as a partial result.
func Read(path string) (*Run, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read result: %w", err)
	}
	file := path
	if info.IsDir() {
		file = filepath.Join(path, RunFile)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			file = filepath.Join(path, JournalFile)
			if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("read result: %s contains neither %s nor %s", path, RunFile, JournalFile)
			}
		}
	}
	var run *Run
	if strings.HasSuffix(file, ".jsonl") {
		run, err = rebuildFile(file)
	} else {
		run, err = loadDocument(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read result %s: %w", file, err)
	}
	return run, nil
}

// ReadWhole reads the run of a directory if the run has ended by itself: the document exists
// and was not interrupted.
func ReadWhole(dir string) (*Run, bool) {
	if _, err := os.Stat(filepath.Join(dir, RunFile)); err != nil {
		return nil, false
	}
	run, err := Read(dir)
	return run, err == nil && run.Outcome != Interrupted
}

func loadDocument(file string) (*Run, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, err
	}
	return Decode(data)
}

func rebuildFile(file string) (*Run, error) {
	f, err := OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Rebuild(f)
}
