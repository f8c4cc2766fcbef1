package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// entry is one line of the journal.
type entry struct {
	Run      *Run      `json:"run,omitempty"`
	Interval *Interval `json:"interval,omitempty"`
}

// WriteStart writes the run's header: the data that a result rebuilt from the journal needs in
// addition to the intervals.
func (d *Dir) WriteStart(run *Run) error { return d.append(entry{Run: run}) }

// WriteInterval writes one interval to disk. It returns when the line is synced.
func (d *Dir) WriteInterval(i *Interval) error { return d.append(entry{Interval: i}) }

func (d *Dir) append(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode journal line: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	line = append(line, '\n')
	if _, err := d.journal.Write(line); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if err := d.journal.Sync(); err != nil {
		return fmt.Errorf("sync journal: %w", err)
	}
	d.length.lines++
	d.length.bytes += int64(len(line))
	if d.coarse.full(d.length) {
		select {
		case <-d.coarsened:
			d.coarsened = make(chan struct{})
			go d.coarsen(d.length)
		default:
		}
	}
	return nil
}

// EachInterval calls each with the intervals of a result: a run's directory, its run.json or
// its journal.
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

// A JournalError reports an invalid line of a journal. The first line has the number 1.
type JournalError struct {
	Line int
	Err  error
}

// Error implements error.
func (e *JournalError) Error() string { return fmt.Sprintf("journal line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *JournalError) Unwrap() error { return e.Err }

// ReadJournal calls start with the header and then each with every interval.
// A truncated last line, which SIGKILL or a full disk can leave, ends the
// journal without an error. A line that cannot be read is a [JournalError].
func ReadJournal(r io.Reader, start func(*Run) error, each func(*Interval) error) error {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(make([]byte, 64<<10), maxLine)
	scanner.Split(wholeLines)
	old := false
	for n := 1; scanner.Scan(); n++ {
		e, err := readEntry(scanner.Bytes())
		if err != nil {
			return &JournalError{n, err}
		}
		switch {
		case n == 1 && e.Run == nil:
			return &JournalError{n, errors.New("not the start of a run")}
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
					return &JournalError{n, err}
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

// readEntry reads a line of a journal. It returns an error for a line that is larger than
// etcdbench writes it, or with figures that no run can have.
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
