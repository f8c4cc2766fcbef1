package results

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// secondOf is an interval of one second with some operations and an event.
func secondOf(t *testing.T, n int) *Interval {
	t.Helper()
	h := NewHistogram()
	for v := range int64(3) {
		if err := h.RecordValue(1_000_000 * (v + int64(n%50))); err != nil {
			t.Fatal(err)
		}
	}
	l, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	phase := "measure"
	if n < 7 {
		phase = "warmup"
	}
	return &Interval{
		Number: n, Phase: phase, Start: time.Duration(n) * time.Second, Length: time.Second, InFlight: n,
		Operations: []Operation{{Phase: phase, Op: "put", Offered: 3, Completed: 3, ResponseTime: l, ServiceTime: l, Errors: []ErrorClass{}}},
		Events:     []Event{{Kind: "compaction", Start: time.Duration(n) * time.Second}},
		Moments:    []Moment{{At: time.Duration(n) * time.Second, Completed: 3}},
		Members:    []Reading{{Member: "m1", At: time.Duration(n) * time.Second, Values: map[string]float64{"fsyncs": float64(n)}}},
		Generator:  Pulse{CPU: 0.5, SendLag: time.Duration(n)},
	}
}

// However long a run takes, its journal stays short and loses nothing: what is rebuilt of
// it is the same, and the latest seconds are whole.
func TestJournalStaysShort(t *testing.T) {
	const seconds, lines, latest = 300, 60, 12
	var long, short *Run
	for _, limit := range []int{1 << 30, lines} {
		d, err := Create(filepath.Join(t.TempDir(), "run"))
		if err != nil {
			t.Fatal(err)
		}
		d.coarse = coarsening{lines: limit, latest: latest}
		run := &Run{Schema: Schema, ID: "x", Plan: Plan{Phases: []PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}}}
		if err := d.WriteStart(run); err != nil {
			t.Fatal(err)
		}
		for n := range seconds {
			if err := d.WriteInterval(secondOf(t, n)); err != nil {
				t.Fatal(err)
			}
			if n%lines == 0 {
				d.mu.Lock()
				wait := d.coarsened
				d.mu.Unlock()
				<-wait
			}
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(d.Path, JournalFile))
		if err != nil {
			t.Fatal(err)
		}
		rebuilt, err := Rebuild(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if limit > lines {
			long = rebuilt
			continue
		}
		short = rebuilt
		if n := bytes.Count(data, []byte{'\n'}); n > 2*lines+1 {
			t.Errorf("%d lines", n)
		}
		var end time.Duration
		var last []*Interval
		events, moments := 0, 0
		err = EachInterval(d.Path, func(i *Interval) error {
			if i.Start != end || len(i.Operations) != 1 || i.Operations[0].Phase != i.Phase || i.Members[0].At != i.Start || i.Generator.CPU != 0.5 {
				t.Errorf("interval at %v after %v: %+v", i.Start, end, i)
			}
			end = i.Start + i.Length
			events, moments = events+len(i.Events), moments+len(i.Moments)
			last = append(last, i)
			return nil
		})
		if err != nil || end != seconds*time.Second || events != seconds || moments != seconds {
			t.Errorf("%v of %d s, %d events, %d moments, %v", end, seconds, events, moments, err)
		}
		for _, i := range last[len(last)-latest+1:] {
			if i.Length != time.Second {
				t.Errorf("the interval at %v has %v", i.Start, i.Length)
			}
		}
		if files, _ := os.ReadDir(d.Path); len(files) != 1 {
			t.Errorf("files %v", files)
		}
	}
	for k, o := range long.Operations {
		s := short.Operations[k]
		if o.Completed != s.Completed || o.Percentile(50) != s.Percentile(50) || o.ResponseTime.Max != s.ResponseTime.Max || o.Percentile(99) != s.Percentile(99) {
			t.Errorf("%s: %+v, want %+v", o.Phase, s, o)
		}
	}
	if len(long.Phases) != len(short.Phases) || long.Phases[1] != short.Phases[1] {
		t.Errorf("phases %+v, want %+v", short.Phases, long.Phases)
	}
}
