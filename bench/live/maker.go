package live

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"
)

// The limits of report writing. Reports are written at most once in leastPause. Longer pauses
// limit the writing to 1/cpuParts of the time of one CPU, because the load generator needs the
// CPUs.
const (
	leastPause = time.Second
	cpuParts   = 10
)

// errNoReport is the error when there is no report of a run.
var errNoReport = errors.New("no report: the run does not exist, or its load has not started")

// maker writes reports, one at a time, and keeps the last one.
type maker struct {
	write WriteFunc

	mu      sync.Mutex
	version int
	report  []byte
	// next is the earliest time at which the present run's report may be written again.
	next time.Time
}

// available returns the version that a browser with the present one would get now, and the time
// until a newer version is available: 0 if there is none.
func (m *maker) available(present int) (version int, after time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wait := time.Until(m.next); wait > 0 && m.version != present {
		return m.version, wait
	}
	return present, 0
}

// current returns the report of the present run. It returns the last one if nothing has changed
// since or if a new one may not be written yet. After the end, it returns the saved page.
func (p *Page) current() ([]byte, error) {
	m := &p.maker
	m.mu.Lock()
	defer m.mu.Unlock()
	p.mu.Lock()
	version, run, final, ended := p.now.Version, p.present, p.final, p.now.Ended
	p.mu.Unlock()
	switch {
	case final != "":
		return os.ReadFile(final)
	case run == nil:
		return nil, errNoReport
	case m.report != nil && (m.version == version || time.Now().Before(m.next) && !ended):
		return m.report, nil
	}
	begin := time.Now()
	report, err := p.writeRun(run)
	m.next = begin.Add(max(leastPause, cpuParts*time.Since(begin)))
	if err != nil {
		return nil, err
	}
	m.report, m.version = report, version
	return report, nil
}

// report returns the report of a run, given by its place in the list from 0.
func (p *Page) report(number int) ([]byte, error) {
	p.maker.mu.Lock()
	defer p.maker.mu.Unlock()
	p.mu.Lock()
	var run *RunObserver
	if number >= 0 && number < len(p.runs) && p.runs[number].started {
		run = p.runs[number]
	}
	p.mu.Unlock()
	if run == nil {
		return nil, errNoReport
	}
	return p.writeRun(run)
}

// writeRun writes the report of a run. The caller holds p.maker.mu.
func (p *Page) writeRun(run *RunObserver) ([]byte, error) {
	p.mu.Lock()
	underWay := !run.ended
	p.mu.Unlock()
	var b bytes.Buffer
	err := p.maker.write(&b, run.dir, underWay)
	return b.Bytes(), err
}
