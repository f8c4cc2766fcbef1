package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/results"
)

// ProgressStyle is the form in which the progress of a run is shown.
type ProgressStyle string

// The progress styles. A bar rewrites one line of a terminal; plain prints a line every few seconds;
// JSON prints one object per interval.
const (
	ProgressBar   ProgressStyle = "bar"
	ProgressPlain ProgressStyle = "plain"
	ProgressJSON  ProgressStyle = "json"
	ProgressNone  ProgressStyle = "none"
)

// plainEvery is the number of intervals that one plain line summarizes.
const plainEvery = 5

// Progress is an observer that prints the progress of a run. Write errors are ignored: a closed
// terminal does not stop a run.
type Progress struct {
	w     io.Writer
	style ProgressStyle
	// width is the width of the terminal, in columns.
	width int

	mu       sync.Mutex
	plan     Plan
	populate time.Time // when the last line about the population was printed
	failed   uint64
	recent   []results.Operation // the operations since the last plain line
	span     time.Duration
}

// NewProgress returns a progress observer that writes to w. width is used by [ProgressBar]
// only.
func NewProgress(w io.Writer, style ProgressStyle, width int) *Progress {
	if width <= 0 {
		width = 80
	}
	return &Progress{w: w, style: style, width: width}
}

var (
	_ Observer      = (*Progress)(nil)
	_ SetupObserver = (*Progress)(nil)
	_ StageObserver = (*Progress)(nil)
)

// Start implements [Observer].
func (p *Progress) Start(run *results.Run) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plan = run.Plan
	p.populate = time.Now()
	return nil
}

// Setup implements [SetupObserver].
func (p *Progress) Setup(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.populate) < 200*time.Millisecond || p.style == ProgressPlain && time.Since(p.populate) < 5*time.Second {
		return
	}
	p.populate = time.Now()
	switch p.style {
	case ProgressBar:
		p.bar(fmt.Sprintf("%-8s %s %s of %s",
			PhasePopulate, gauge(float64(done)/float64(total)), humanize.Comma(int64(done)), humanize.Comma(int64(total))))
	case ProgressPlain:
		fmt.Fprintf(p.w, "%s: %s of %s\n", PhasePopulate, humanize.Comma(int64(done)), humanize.Comma(int64(total)))
	case ProgressJSON:
		p.json(struct {
			Phase string `json:"phase"`
			Done  int    `json:"done"`
			Total int    `json:"total"`
		}{PhasePopulate, done, total})
	}
}

// Stage implements [StageObserver].
func (p *Progress) Stage(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.style {
	case ProgressBar:
		p.bar(text)
	case ProgressPlain:
		fmt.Fprintln(p.w, text)
	}
}

// Interval implements [Observer].
func (p *Progress) Interval(i *results.Interval) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.style == ProgressJSON {
		p.jsonInterval(i)
		return nil
	}
	for _, o := range i.Operations {
		p.failed += o.NotCompleted()
	}
	if p.style == ProgressPlain {
		for _, e := range i.Events {
			fmt.Fprintf(p.w, "%s %s: %s %s\n", i.Phase, e.Start.Round(100*time.Millisecond), e.Kind, printable(e.Outcome()))
		}
	}
	p.recent = append(p.recent, i.Operations...)
	p.span += i.Length
	if p.style == ProgressPlain && p.span < plainEvery*intervalLength {
		return nil
	}
	f, err := p.summary()
	if err != nil {
		return err
	}
	share, left := p.position(i)
	p.recent, p.span = p.recent[:0], 0
	switch p.style {
	case ProgressBar:
		figures := fmt.Sprintf("%s/s  p50 %s  p99 %s  errors %d%s", humanize.Comma(int64(f.rate)), f.p50, f.p99, p.failed, left)
		line := fmt.Sprintf("%-8s %s %s", i.Phase, gauge(share), figures)
		if utf8.RuneCountInString(line) >= p.width { // a narrow terminal: the figures matter more than the gauge
			line = fmt.Sprintf("%s %.0f%% %s", i.Phase, 100*share, figures)
		}
		p.bar(line)
	case ProgressPlain:
		fmt.Fprintf(p.w, "%s %s: %s/s, p50 %s, p99 %s, errors %d%s\n",
			i.Phase, (i.Start + i.Length).Round(time.Second), humanize.Comma(int64(f.rate)), f.p50, f.p99, p.failed, left)
	}
	return nil
}

// Finish implements [Observer].
func (p *Progress) Finish(*results.Run) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.style == ProgressBar {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	return nil
}

func (p *Progress) bar(line string) {
	runes := []rune(line)
	if len(runes) >= p.width {
		runes = runes[:p.width-1]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", string(runes))
}

func gauge(share float64) string {
	const width = 20
	done := int(min(max(share, 0), 1) * width)
	return strings.Repeat("█", done) + strings.Repeat("░", width-done)
}

type figures struct {
	rate     float64
	p50, p99 string
}

// summary returns the figures of the operations since the last line.
func (p *Progress) summary() (f figures, err error) {
	sum, err := results.Sum(p.span, slices.DeleteFunc(slices.Clone(p.recent), func(o results.Operation) bool { return o.Arrived })...)
	return figures{sum.Throughput, percentile(sum, 50), percentile(sum, 99)}, err
}

// percentile formats a percentile of the response time. It returns a question mark if there are
// not enough samples.
func percentile(o results.Operation, p float64) string {
	switch q := o.Percentile(p); {
	case o.ResponseTime.Count == 0:
		return "–"
	case !q.Resolved:
		return "?"
	case q.AtLeast:
		return "≥ " + short(int64(q.Time))
	default:
		return short(int64(q.Time))
	}
}

func short(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Millisecond).String()
}

// position returns the completed part of the phase, between 0 and 1, and the remaining time.
func (p *Progress) position(i *results.Interval) (share float64, left string) {
	end := i.Start + i.Length
	var start time.Duration
	remaining, known := time.Duration(0), true
	for _, ph := range p.plan.Phases {
		if ph.Duration == 0 {
			known = false
			break
		}
		if ph.Name == i.Phase {
			share = float64(end-start) / float64(ph.Duration)
		}
		start += ph.Duration
	}
	if remaining = start - end; known && remaining > 0 {
		left = fmt.Sprintf("  %s left", remaining.Round(time.Second))
	}
	return share, left
}

// jsonInterval prints the figures of one interval without its histograms.
func (p *Progress) jsonInterval(i *results.Interval) {
	type op struct {
		Phase      string  `json:"phase"`
		Op         string  `json:"op"`
		Offered    uint64  `json:"offered"`
		Completed  uint64  `json:"completed"`
		Failed     uint64  `json:"failed"`
		Dropped    uint64  `json:"dropped"`
		Unfinished uint64  `json:"unfinished"`
		Throughput float64 `json:"throughput"`
		ErrorRate  float64 `json:"error_rate"`
		// Unresolved percentiles are omitted.
		P50 int64 `json:"p50_ns,omitempty"`
		P99 int64 `json:"p99_ns,omitempty"`
		Max int64 `json:"max_ns"`
		// LowerBounds names the percentiles that are lower bounds.
		LowerBounds []string `json:"lower_bounds,omitempty"`
	}
	line := struct {
		Number     int           `json:"n"`
		Phase      string        `json:"phase"`
		Start      time.Duration `json:"start_ns"`
		Length     time.Duration `json:"length_ns"`
		InFlight   int           `json:"in_flight"`
		Queued     int           `json:"queued"`
		Operations []op          `json:"operations"`
	}{Number: i.Number, Phase: i.Phase, Start: i.Start, Length: i.Length, InFlight: i.InFlight, Queued: i.Queued, Operations: []op{}}
	for _, o := range i.Operations {
		of := op{
			Phase: o.Phase, Op: o.Op, Offered: o.Offered, Completed: o.Completed, Failed: o.Failed, Dropped: o.Dropped,
			Unfinished: o.Unfinished, Throughput: o.Throughput, ErrorRate: o.ErrorRate(), Max: o.ResponseTime.Max,
			LowerBounds: o.LowerBounds(),
		}
		for k, q := range o.Percentiles(50, 99) {
			if q.Resolved {
				*[]*int64{&of.P50, &of.P99}[k] = int64(q.Time)
			}
		}
		line.Operations = append(line.Operations, of)
	}
	p.json(line)
}

func (p *Progress) json(v any) {
	if data, err := json.Marshal(v); err == nil {
		fmt.Fprintf(p.w, "%s\n", data)
	}
}
