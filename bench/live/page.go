package live

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// maxStreams bounds the number of browsers that are updated concurrently.
const maxStreams = 64

// A Page shows runs in browsers during their execution: the report of the present run, which is
// updated regularly, and the list of the runs so far. Its observers only record what has
// changed. A report is written when a browser requests it, so a slow or stopped browser delays
// no run.
type Page struct {
	maker maker

	mu sync.Mutex
	// now is the state that streams send.
	now state
	// runs are the runs so far. present is the last one whose load has begun; it is nil before
	// the first.
	runs    []*RunObserver
	present *RunObserver
	// final is the file of the saved page. It is "" until the end, or if there is none.
	final string
	// streams contains a channel with a capacity of 1 for each browser. It holds a value while
	// the browser has not received the present state.
	streams map[chan struct{}]bool
	// ended is closed at the end. left gets a value when a stream ends.
	ended, left chan struct{}
}

// A WriteFunc writes the report of the run in a directory. underWay says that the run has not
// ended.
type WriteFunc func(w io.Writer, dir string, underWay bool) error

// state is the information that a browser needs to show the page. Each event of a stream
// contains a complete state.
type state struct {
	// Version counts the changes of the report; 0 means that there is no report yet.
	Version int `json:"version"`
	// Text describes the present activity in one line.
	Text string `json:"text"`
	// Ended says that the report is the final one.
	Ended bool        `json:"ended"`
	Runs  []listedRun `json:"runs"`
}

// listedRun is a run in the list of the runs so far.
type listedRun struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// Report says that the run has a report.
	Report bool `json:"report"`
}

// NewPage returns a page without runs. write writes the reports.
func NewPage(write WriteFunc) *Page {
	return &Page{
		maker: maker{write: write}, now: state{Text: "preparing", Runs: []listedRun{}},
		streams: map[chan struct{}]bool{}, ended: make(chan struct{}), left: make(chan struct{}, 1),
	}
}

// Observe returns the observer of the next run, whose result is saved in dir. name is the name
// of the run in the list.
func (p *Page) Observe(name, dir string) *RunObserver {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := &RunObserver{page: p, number: len(p.runs), dir: dir}
	p.runs = append(p.runs, o)
	p.now.Runs = append(p.now.Runs, listedRun{Name: name})
	o.note("starting", false)
	return o
}

// End marks the end of all runs. final is the file of the saved page. If it is "", the last
// report stays. text is shown above the report. End must be called once.
func (p *Page) End(final, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.final, p.now.Ended, p.now.Text = final, true, text
	if final != "" || p.now.Version > 0 {
		p.now.Version++
	}
	p.wake()
	close(p.ended)
}

// Wait waits until every browser has the final page, at most for the given time.
func (p *Page) Wait(most time.Duration) {
	deadline := time.After(most)
	for {
		p.mu.Lock()
		n := len(p.streams)
		p.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-p.left:
		case <-deadline:
			return
		}
	}
}

// wake makes every stream send the present state. The caller holds p.mu.
func (p *Page) wake() {
	for s := range p.streams {
		select {
		case s <- struct{}{}:
		default: // the stream will send the state anyway
		}
	}
}

// state returns a copy of the present state.
func (p *Page) state() state {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.now
	s.Runs = slices.Clone(s.Runs)
	return s
}

// join adds a stream, unless there are too many. leave removes the stream.
func (p *Page) join() (changed <-chan struct{}, leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.streams) >= maxStreams {
		return nil, nil, false
	}
	s := make(chan struct{}, 1)
	p.streams[s] = true
	return s, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.streams, s)
		select {
		case p.left <- struct{}{}:
		default:
		}
	}, true
}

// A RunObserver follows one run for a page. It implements bench.Observer, bench.SetupObserver
// and bench.StageObserver.
type RunObserver struct {
	page   *Page
	number int
	dir    string

	// page.mu guards the following fields. started says that the directory has a report,
	// and ended that the report does not change any more.
	started, ended bool
	// planned is the length of the plan's phases; 0 if it is unknown.
	planned time.Duration
	// populated is when the population was last shown.
	populated time.Time
}

// note records the present activity of the run. report says that the report has changed, too.
// The caller holds page.mu.
func (o *RunObserver) note(text string, report bool) {
	p := o.page
	p.now.Runs[o.number].State, p.now.Text = text, text
	if o.number > 0 {
		p.now.Text = fmt.Sprintf("run %d: %s", o.number+1, text)
	}
	if report && o.started {
		p.now.Version++
	}
	p.wake()
}

// Start implements bench.Observer.
func (o *RunObserver) Start(run *results.Run) error {
	o.page.mu.Lock()
	defer o.page.mu.Unlock()
	for _, ph := range run.Plan.Phases {
		if ph.Duration == 0 { // the phase ends by a number of operations
			o.planned = 0
			break
		}
		o.planned += ph.Duration
	}
	o.started, o.page.present, o.page.now.Runs[o.number].Report = true, o, true
	o.note("preparing the load", true)
	return nil
}

// Setup implements bench.SetupObserver.
func (o *RunObserver) Setup(done, total int) {
	o.page.mu.Lock()
	defer o.page.mu.Unlock()
	if time.Since(o.populated) < time.Second/2 {
		return
	}
	o.populated = time.Now()
	o.note(fmt.Sprintf("population: %s of %s keys", humanize.Comma(int64(done)), humanize.Comma(int64(total))), false)
}

// Interval implements bench.Observer.
func (o *RunObserver) Interval(i *results.Interval) error {
	o.page.mu.Lock()
	defer o.page.mu.Unlock()
	end := (i.Start + i.Length).Round(time.Second)
	text := fmt.Sprintf("%s: %v", i.Phase, end)
	if o.planned > 0 && end <= o.planned {
		text += fmt.Sprintf(" of %v", o.planned)
	}
	o.note(text, true)
	return nil
}

// Stage implements bench.StageObserver.
func (o *RunObserver) Stage(text string) {
	o.page.mu.Lock()
	defer o.page.mu.Unlock()
	o.note(text, false)
}

// Finish implements bench.Observer. The result is not saved yet, see [RunObserver.End].
func (o *RunObserver) Finish(*results.Run) error { return nil }

// End marks that the run's directory does not change any more. outcome is shown in the list of
// runs.
func (o *RunObserver) End(outcome string) {
	o.page.mu.Lock()
	defer o.page.mu.Unlock()
	o.ended = true
	o.note(outcome, true)
}
