package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/etcdbench/etcdbench/bench"
)

// A reporter prints the progress of an experiment. Errors of writing are ignored: a closed
// terminal does not stop an experiment.
type reporter struct {
	w     io.Writer
	style bench.ProgressStyle
	width int

	mu    sync.Mutex
	begin time.Time
	end   time.Time // as estimated; zero without an estimate
	stop  chan struct{}
	done  chan struct{}
}

// newReporter starts a reporter. Close ends it.
func newReporter(w io.Writer, style bench.ProgressStyle) *reporter {
	r := &reporter{w: w, style: style, width: width(w), begin: time.Now(), stop: make(chan struct{}), done: make(chan struct{})}
	if style != bench.ProgressBar {
		close(r.done)
		return r
	}
	go func() {
		defer close(r.done)
		t := time.NewTicker(time.Second)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				r.mu.Lock()
				r.bar()
				r.mu.Unlock()
			case <-r.stop:
				return
			}
		}
	}()
	return r
}

// event is one line of JSON progress.
type event struct {
	Text string        `json:"text"`
	Left time.Duration `json:"left_ns,omitempty"`
}

// announce reports an event. left is the remaining time; 0 keeps the previous estimate.
func (r *reporter) announce(left time.Duration, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if left > 0 {
		r.end = time.Now().Add(left)
	}
	text := fmt.Sprintf(format, args...)
	switch r.style {
	case bench.ProgressJSON:
		if line, err := json.Marshal(event{text, left}); err == nil {
			_, _ = r.w.Write(append(line, '\n'))
		}
	case bench.ProgressPlain:
		fmt.Fprintln(r.w, text)
	case bench.ProgressBar:
		r.clear()
		fmt.Fprintln(r.w, text)
		r.bar()
	}
}

// plainColumns is the width of lines without a terminal.
const plainColumns = 120

// room returns the number of columns of a line; 0 means no limit.
func (r *reporter) room() int {
	switch {
	case r.style == bench.ProgressJSON:
		return 0
	case r.width > 0:
		return r.width - 1
	}
	return plainColumns
}

const gaugeWidth = 24

// bar rewrites the last line with the completed share and the remaining time.
func (r *reporter) bar() {
	if r.end.IsZero() {
		return
	}
	now := time.Now()
	left := max(0, r.end.Sub(now)).Round(time.Second)
	share := now.Sub(r.begin).Seconds() / max(r.end.Sub(r.begin).Seconds(), now.Sub(r.begin).Seconds(), 1e-9)
	full := int(share * gaugeWidth)
	r.clear()
	fmt.Fprintf(r.w, "%s%s about %v left", strings.Repeat("█", full), strings.Repeat("░", gaugeWidth-full), left)
}

// clear empties the last line.
func (r *reporter) clear() { fmt.Fprint(r.w, "\r\033[K") }

// close ends the reporting and leaves the line free.
func (r *reporter) close() {
	close(r.stop)
	<-r.done
	if r.style == bench.ProgressBar {
		r.clear()
	}
}
