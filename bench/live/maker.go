package live

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"time"
)

// Reports are written at most once in leastPause, and with pauses that leave the writing
// at most one part in cpuParts of the time of one CPU: the generator of the load needs
// the CPUs.
const (
	leastPause = time.Second
	cpuParts   = 10
)

// errNoReport says that there is nothing to report.
var errNoReport = errors.New("no report: there is no such run, or its load has not begun")

// maker writes reports, one at a time, and keeps the last one.
type maker struct {
	write WriteFunc

	mu      sync.Mutex
	version int
	report  []byte
	// next is when the present run's report may be written again.
	next time.Time
}

// available returns the version that a browser gets when it asks now for the present one,
// and after which time it gets a newer one: 0 if there is none.
func (m *maker) available(present int) (version int, after time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if wait := time.Until(m.next); wait > 0 && m.version != present {
		return m.version, wait
	}
	return present, 0
}

// current returns the report of the present run: a new one, or the last one, where nothing
// has changed since or a new one may not be written yet. At the end, it returns the saved
// page.
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

// report returns the report of a run, by its place in the list from 0.
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
