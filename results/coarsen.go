package results

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// A journal has at most about this number of lines and bytes. When it has more of either, pairs
// of its older intervals are merged, except for the latest ones. This is repeated when it has
// as many again, so that older intervals are longer.
const (
	journalLines  = 7200
	journalLatest = 1800
	journalBytes  = 128 << 20
	// coarsenPause is the pause after each merged line, which limits the use of CPU and disk.
	coarsenPause = 10 * time.Millisecond
)

// coarsening holds the limits of a journal: the bounds, the number of latest lines that are not
// merged unless they take more than a quarter of the bytes, and the pause.
type coarsening struct {
	lines, latest int
	bytes         int64
	pause         time.Duration
}

// full reports whether a journal has reached its bounds.
func (c coarsening) full(l journalLength) bool { return l.lines >= c.lines || l.bytes >= c.bytes }

// journalLength is the length of a journal.
type journalLength struct {
	lines int
	bytes int64
}

// coarsen rewrites the first lines of the journal with older intervals merged, during the run,
// until it is well below its bounds or nothing is left to merge. Lines that are written
// meanwhile are added at the end. On an error, the journal stays unchanged.
func (d *Dir) coarsen(first journalLength) {
	defer close(d.coarsened)
	well := coarsening{lines: d.coarse.lines, bytes: d.coarse.bytes / 4 * 3}
	for {
		written, err := d.rewrite(first)
		d.mu.Lock()
		d.length.lines += written.lines - first.lines
		d.length.bytes += written.bytes - first.bytes
		again := err == nil && written.lines < first.lines && well.full(d.length)
		if err != nil || !again && d.coarse.full(d.length) {
			d.length = journalLength{} // tried again after the journal has grown by as much
		}
		first = d.length
		d.mu.Unlock()
		if !again {
			return
		}
	}
}

// rewrite merges the first lines, and returns their new length.
func (d *Dir) rewrite(first journalLength) (written journalLength, err error) {
	old, err := os.Open(filepath.Join(d.Path, JournalFile))
	if err != nil {
		return written, err
	}
	defer old.Close()
	tmp, err := os.CreateTemp(d.Path, ".intervals-*")
	if err != nil {
		return written, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
		}
	}()
	in := bufio.NewReaderSize(old, 64<<10)
	w := coarseWriter{dir: d, to: tmp}
	read := int64(0)
	for n := range first.lines {
		line, err := in.ReadBytes('\n')
		if read += int64(len(line)); err == nil {
			old := n < first.lines-d.coarse.latest || read < first.bytes-d.coarse.bytes/4
			err = w.line(line, n > 0 && old)
		}
		if err != nil {
			return written, err
		}
	}
	if err := errors.Join(w.flush(), tmp.Chmod(0o644), tmp.Sync()); err != nil {
		return written, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := io.Copy(tmp, in); err != nil {
		return written, err
	}
	if err := errors.Join(tmp.Sync(), os.Rename(tmp.Name(), filepath.Join(d.Path, JournalFile))); err != nil {
		return written, err
	}
	_ = d.journal.Close()
	d.journal = tmp
	return w.written, nil
}

// coarseWriter writes lines, and merges pairs of consecutive ones.
type coarseWriter struct {
	dir     *Dir
	to      io.Writer
	pending *Interval // waits for the next line
	written journalLength
}

// line adds one line of the journal. It is merged with the previous one if both may be merged.
func (w *coarseWriter) line(line []byte, merge bool) error {
	if !merge {
		if err := w.flush(); err != nil {
			return err
		}
		return w.write(line)
	}
	e, err := readEntry(line)
	if err != nil || e.Interval == nil {
		return errors.Join(err, w.flush(), w.line(line, false))
	}
	if w.pending == nil || w.pending.Phase != e.Interval.Phase {
		err := w.flush()
		w.pending = e.Interval
		return err
	}
	if w.pending, err = mergeIntervals(w.pending, e.Interval); err != nil {
		return err
	}
	select {
	case <-w.dir.closing:
		return errors.New("the run has ended")
	case <-time.After(w.dir.coarse.pause):
	}
	return w.flush()
}

// flush writes the pending interval.
func (w *coarseWriter) flush() error {
	if w.pending == nil {
		return nil
	}
	line, err := json.Marshal(entry{Interval: w.pending})
	w.pending = nil
	if err != nil {
		return fmt.Errorf("encode journal line: %w", err)
	}
	return w.write(append(line, '\n'))
}

func (w *coarseWriter) write(line []byte) error {
	w.written.lines++
	w.written.bytes += int64(len(line))
	_, err := w.to.Write(line)
	return err
}

// mergeIntervals merges two consecutive intervals. Counts and histograms add up, so only the
// time resolution is lost.
func mergeIntervals(a, b *Interval) (*Interval, error) {
	m := *a
	m.Length = b.Start + b.Length - a.Start
	m.InFlight, m.Queued = b.InFlight, b.Queued
	m.Events = append(m.Events, b.Events...)
	m.Moments = mergeMoments(m.Length, a.Moments, b.Moments)
	if len(m.Members) == 0 {
		m.Members = b.Members
	}
	m.Generator = a.Generator.merge(b.Generator, a.Length, b.Length)
	byKind := map[[2]string][]Operation{}
	var order [][2]string
	for _, o := range append(a.Operations, b.Operations...) {
		key := [2]string{o.Phase, o.Op}
		if byKind[key] == nil {
			order = append(order, key)
		}
		byKind[key] = append(byKind[key], o)
	}
	m.Operations = nil
	for _, key := range order {
		o, err := Sum(m.Length, byKind[key]...)
		if err != nil {
			return nil, err
		}
		if o.Errors == nil {
			o.Errors = []ErrorClass{}
		}
		m.Operations = append(m.Operations, o)
	}
	return &m, nil
}

// merge weights shares by the lengths of the two intervals, adds up times, and keeps the larger
// lag.
func (p Pulse) merge(o Pulse, length, ofOther time.Duration) Pulse {
	weigh := func(x, y float64) float64 {
		return (x*float64(length) + y*float64(ofOther)) / max(1, float64(length+ofOther))
	}
	return Pulse{
		CPU: weigh(p.CPU, o.CPU), Machine: weigh(p.Machine, o.Machine), Steal: weigh(p.Steal, o.Steal),
		Throttled: p.Throttled + o.Throttled, GCPause: p.GCPause + o.GCPause, SendLag: max(p.SendLag, o.SendLag),
		Stopped: p.Stopped + o.Stopped,
	}
}
