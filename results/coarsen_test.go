package results

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
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

// BenchmarkJournalOfADay writes the intervals of 24 h, of 5,000 puts a second on three
// members, and prints how large the journal is and how long it takes to read it; with -short,
// of a quarter of an hour. It needs a file system in memory, as each line is synced.
func BenchmarkJournalOfADay(b *testing.B) {
	seconds := 24 * 60 * 60
	if testing.Short() {
		seconds = 15 * 60
	}
	dir, err := os.MkdirTemp("/dev/shm", "journal-")
	if err != nil {
		b.Skip(err)
	}
	defer os.RemoveAll(dir)
	random := rand.New(rand.NewPCG(1, 2))
	var shapes []Latency
	for range 60 {
		h := NewHistogram()
		for range 5000 {
			if err := h.RecordValue(int64(2e6 * math.Exp(0.5*random.NormFloat64()))); err != nil {
				b.Fatal(err)
			}
		}
		l, err := NewLatency(h)
		if err != nil {
			b.Fatal(err)
		}
		shapes = append(shapes, l)
	}
	for n := range b.N {
		d, err := Create(filepath.Join(dir, strconv.Itoa(n)))
		if err != nil {
			b.Fatal(err)
		}
		d.coarse.pause = 0
		run := &Run{Schema: Schema, ID: "x", Plan: Plan{Phases: []PlanPhase{{Name: "measure", Duration: time.Duration(seconds) * time.Second}}}}
		if err := d.WriteStart(run); err != nil {
			b.Fatal(err)
		}
		for k := range seconds {
			at := time.Duration(k) * time.Second
			i := &Interval{Number: k, Phase: "measure", Start: at, Length: time.Second, Operations: []Operation{{
				Phase: "measure", Op: "put", Write: true, Offered: 5000, Completed: 5000, Throughput: 5000, Errors: []ErrorClass{},
				ResponseTime: shapes[k%len(shapes)], ServiceTime: shapes[(k+7)%len(shapes)],
			}}}
			for _, name := range []string{"m1", "m2", "m3"} {
				values := map[string]float64{}
				for v := range 40 {
					values["counter_number_"+strconv.Itoa(v)] = float64(k * (v + 1))
				}
				i.Members = append(i.Members, Reading{Member: name, At: at, Values: values})
			}
			if err := d.WriteInterval(i); err != nil {
				b.Fatal(err)
			}
			d.mu.Lock()
			wait := d.coarsened
			d.mu.Unlock()
			<-wait // which takes less than a second's part of a day
		}
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(d.Path, JournalFile))
		if err != nil {
			b.Fatal(err)
		}
		begin, lines := time.Now(), 0
		if err := EachInterval(d.Path, func(*Interval) error { lines++; return nil }); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/(1<<20), "MiB")
		b.ReportMetric(float64(lines), "lines")
		b.ReportMetric(time.Since(begin).Seconds(), "s-to-read")
	}
}
