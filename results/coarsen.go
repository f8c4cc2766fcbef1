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

// A journal has at most about this number of lines. When it is longer, pairs of its older
// intervals are merged, except for the latest ones. This is repeated when it is as long again,
// so that older intervals are longer.
const (
	journalLines  = 7200
	journalLatest = 1800
	// coarsenPause is between two merged lines, so that neither CPU nor disk are busy with it.
	coarsenPause = 10 * time.Millisecond
)

// coarsening is how a journal is kept short.
type coarsening struct {
	lines, latest int
	pause         time.Duration
}

// coarsen rewrites the first lines of the journal with older intervals merged, during the run.
// Lines that are written meanwhile are added at the end. On an error, the journal stays
// unchanged.
func (d *Dir) coarsen(lines int) {
	defer close(d.coarsened)
	written, err := d.rewrite(lines)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		d.lines = 0 // it is tried again later
		return
	}
	d.lines += written - lines
}

// rewrite returns how many lines the first ones have become.
func (d *Dir) rewrite(lines int) (written int, err error) {
	old, err := os.Open(filepath.Join(d.Path, JournalFile))
	if err != nil {
		return 0, err
	}
	defer old.Close()
	tmp, err := os.CreateTemp(d.Path, ".intervals-*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tmp.Close(), os.Remove(tmp.Name()))
		}
	}()
	in := bufio.NewReaderSize(old, 64<<10)
	w := coarseWriter{dir: d, to: tmp}
	for n := range lines {
		line, err := in.ReadBytes('\n')
		if err == nil {
			err = w.line(line, n > 0 && n < lines-d.coarse.latest)
		}
		if err != nil {
			return 0, err
		}
	}
	if err := errors.Join(w.flush(), tmp.Chmod(0o644), tmp.Sync()); err != nil {
		return 0, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, err := io.Copy(tmp, in); err != nil {
		return 0, err
	}
	if err := errors.Join(tmp.Sync(), os.Rename(tmp.Name(), filepath.Join(d.Path, JournalFile))); err != nil {
		return 0, err
	}
	_ = d.journal.Close()
	d.journal = tmp
	return w.written, nil
}

// coarseWriter writes lines, and merges pairs of neighbours.
type coarseWriter struct {
	dir     *Dir
	to      io.Writer
	pending *Interval // waits for its neighbour
	written int
}

// line takes one line of the journal, which is merged with its neighbour if it may be.
func (w *coarseWriter) line(line []byte, merge bool) error {
	if !merge {
		if err := w.flush(); err != nil {
			return err
		}
		w.written++
		_, err := w.to.Write(line)
		return err
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

// flush writes what waits.
func (w *coarseWriter) flush() error {
	if w.pending == nil {
		return nil
	}
	line, err := json.Marshal(entry{Interval: w.pending})
	w.pending = nil
	if err != nil {
		return fmt.Errorf("encode journal line: %w", err)
	}
	w.written++
	_, err = w.to.Write(append(line, '\n'))
	return err
}

// mergeIntervals makes one interval of two that follow each other. Nothing is lost but
// when within the interval it was: counts and histograms add up.
func mergeIntervals(a, b *Interval) (*Interval, error) {
	m := *a
	m.Length = b.Start + b.Length - a.Start
	m.InFlight, m.Queued = b.InFlight, b.Queued
	m.Events = append(m.Events, b.Events...)
	m.Moments = append(m.Moments, b.Moments...)
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

// merge weighs shares by the lengths of the two intervals, adds times up and keeps the
// larger lag.
func (p Pulse) merge(o Pulse, length, ofOther time.Duration) Pulse {
	weigh := func(x, y float64) float64 {
		return (x*float64(length) + y*float64(ofOther)) / max(1, float64(length+ofOther))
	}
	return Pulse{
		CPU: weigh(p.CPU, o.CPU), Machine: weigh(p.Machine, o.Machine), Steal: weigh(p.Steal, o.Steal),
		Throttled: p.Throttled + o.Throttled, GCPause: p.GCPause + o.GCPause, SendLag: max(p.SendLag, o.SendLag),
	}
}
