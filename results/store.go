package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode/utf8"
)

// The files of a run's directory. An experiment's directory has a page, too.
const (
	RunFile     = "run.json"
	JournalFile = "intervals.jsonl"
	MembersDir  = "members"
	PageFile    = "report.html"
)

// The documents that experiments and gates leave in their directories.
const (
	VerdictFile  = "verdict.json"
	CapacityFile = "capacity.json"
	TuningFile   = "tuning.json"
	// PublishedFile is the document of a comparison with published figures.
	PublishedFile = "published.json"
)

// ExperimentFile says in an experiment's directory what the experiment was asked. The
// runs below such a directory are parts of the experiment.
const ExperimentFile = "experiment.json"

const (
	maxDocument = 64 << 20
	maxLine     = 16 << 20
)

// Dir is a run's directory, held open for the length of the run.
type Dir struct {
	Path   string
	coarse coarsening

	mu      sync.Mutex
	journal *os.File
	lines   int
	// coarsened is closed when the journal is not being written anew; closing ends that.
	coarsened, closing chan struct{}
}

// Create makes the directory of a new run. It refuses one that holds a result
// already, so that nothing is ever overwritten.
func Create(path string) (*Dir, error) {
	for _, name := range []string{RunFile, JournalFile} {
		if _, err := os.Lstat(filepath.Join(path, name)); err == nil {
			return nil, fmt.Errorf("create run directory: %s already holds a result (%s)", path, name)
		}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("create run directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, JournalFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create journal: %w", err)
	}
	d := &Dir{Path: path, journal: f, coarse: coarsening{journalLines, journalLatest, coarsenPause}}
	d.coarsened, d.closing = make(chan struct{}), make(chan struct{})
	close(d.coarsened)
	return d, nil
}

// SetAside renames a run's directory, or one of several runs', that was cut short,
// so that nothing is lost when it is made anew.
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

// Close closes the journal. An empty one is removed, and the directory with it
// where nothing else is in there.
func (d *Dir) Close() error {
	close(d.closing) // a run's directory is closed once
	<-d.coarsened
	info, statErr := d.journal.Stat()
	err := d.journal.Close()
	if statErr == nil && info.Size() == 0 {
		if rmErr := os.Remove(filepath.Join(d.Path, JournalFile)); rmErr == nil {
			_ = os.Remove(d.Path) // fails, as it should, when something else is in it
		}
	}
	return err
}

// entry is one line of the journal.
type entry struct {
	Run      *Run      `json:"run,omitempty"`
	Interval *Interval `json:"interval,omitempty"`
}

// WriteStart puts the run's header on disk: what a result rebuilt from the
// journal alone needs besides the intervals.
func (d *Dir) WriteStart(run *Run) error { return d.append(entry{Run: run}) }

// WriteInterval puts one interval on disk. It returns when the line is synced.
func (d *Dir) WriteInterval(i *Interval) error { return d.append(entry{Interval: i}) }

func (d *Dir) append(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal line: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := d.journal.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := d.journal.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	if d.lines++; d.lines >= d.coarse.lines {
		select {
		case <-d.coarsened:
			d.coarsened = make(chan struct{})
			go d.coarsen(d.lines)
		default:
		}
	}
	return nil
}

// WriteRun writes the document: all of it or nothing.
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
	if dir, err := os.Open(d.Path); err == nil { // the rename itself
		_ = dir.Sync()
		_ = dir.Close()
	}
	return nil
}

// Encode returns a document (a [Run], a [Verdict], a [Capacity], a [Tuning]) as
// indented JSON.
func Encode(document any) ([]byte, error) {
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", document, err)
	}
	return append(data, '\n'), nil
}

// Decode reads a document and refuses what is not one: another schema, a
// histogram that does not decode, counts that do not add up.
func Decode(data []byte) (*Run, error) {
	run := new(Run)
	if err := decode(data, KindRun, run); err != nil {
		return nil, err
	}
	if err := checkRun(run); err != nil {
		return nil, err
	}
	if err := checkOperations(run.Operations); err != nil {
		return nil, err
	}
	if run.Schema == schemaV1 {
		run.Schema = Schema
		if err := addBounds(run.Operations); err != nil {
			return nil, err
		}
	}
	return run, run.complete()
}

// Clip shortens a text that comes from a file or a server, so that an error or a
// report that quotes it stays on one line: to 40 bytes at most and an ellipsis.
func Clip(s string) string { return clip(s, 40) }

// clip shortens a text to so many bytes at most and an ellipsis, and splits no
// character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

func checkOperations(ops []Operation) error {
	for i := range ops {
		o := &ops[i]
		if o.Completed+o.Failed+o.Dropped+o.Unfinished != o.Offered {
			return fmt.Errorf("operation %s/%s: completed %d + failed %d + dropped %d + unfinished %d is not offered %d",
				Clip(o.Phase), Clip(o.Op), o.Completed, o.Failed, o.Dropped, o.Unfinished, o.Offered)
		}
	}
	return nil
}

// addBounds turns operations of the schema before into those of today: it adds the
// lower bounds of unfinished operations to the response times.
func addBounds(ops []Operation) (err error) {
	for i := range ops {
		o := &ops[i]
		if o.ResponseTime, err = MergeLatency(o.ResponseTime, o.UnfinishedResponseTime); err != nil {
			return fmt.Errorf("operation %s/%s: %w", Clip(o.Phase), Clip(o.Op), err)
		}
	}
	return nil
}

// latencies returns every latency of an operation.
func (o *Operation) latencies() []*Latency {
	parts := o.parts()
	return append(parts[:], &o.AllResponseTime)
}

// Read reads a result: a run's directory, a run.json, or a journal. A directory
// without a run.json is rebuilt from its journal, as a partial result.
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
				return nil, fmt.Errorf("read result: %s holds neither %s nor %s", path, RunFile, JournalFile)
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

// ReadWhole reads the run of a directory, if it came to an end of its own: the
// document is there, and nobody interrupted it.
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

// EachInterval goes through the intervals of a result: a run's directory, its
// run.json or its journal.
func EachInterval(path string, each func(*Interval) error) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, JournalFile)
	} else if !strings.HasSuffix(path, ".jsonl") {
		path = filepath.Join(filepath.Dir(path), JournalFile)
	}
	f, err := OpenFile(path)
	if err != nil {
		return fmt.Errorf("no journal: %w", err)
	}
	defer f.Close()
	return ReadJournal(f, func(*Run) error { return nil }, each)
}

// ReadJournal calls start with the header and then each with every interval.
// A last line that is cut short, as SIGKILL or a full disk leaves it, ends the
// journal without an error.
func ReadJournal(r io.Reader, start func(*Run) error, each func(*Interval) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	scanner.Split(wholeLines)
	old := false
	for n := 1; scanner.Scan(); n++ {
		e, err := readEntry(scanner.Bytes())
		if err != nil {
			return fmt.Errorf("journal line %d: %w", n, err)
		}
		switch {
		case n == 1 && e.Run == nil:
			return errors.New("journal line 1: not the start of a run")
		case n == 1:
			if err := checkSchema(KindRun, e.Run.Schema); err != nil {
				return err
			}
			old = e.Run.Schema == schemaV1
			e.Run.Schema = Schema
			if err := start(e.Run); err != nil {
				return err
			}
		case e.Interval != nil:
			if old {
				if err := addBounds(e.Interval.Operations); err != nil {
					return fmt.Errorf("journal line %d: %w", n, err)
				}
			}
			if err := each(e.Interval); err != nil {
				return fmt.Errorf("journal line %d: %w", n, err)
			}
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("read journal: %w", err)
	}
	return nil
}

// readEntry reads a line of a journal. It refuses one that is larger than etcdbench
// writes it, or has figures that no run has.
func readEntry(line []byte) (e entry, err error) {
	if err := checkSize(line); err != nil {
		return e, err
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return e, err
	}
	if e.Run != nil {
		err = checkRun(e.Run)
	}
	if e.Interval != nil && err == nil {
		err = checkInterval(e.Interval)
	}
	return e, err
}

// wholeLines is bufio.ScanLines without an unterminated last line.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}
