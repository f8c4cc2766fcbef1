package results

import (
	"bytes"
	"encoding/json"
	"errors"
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
		d.coarse = coarsening{lines: limit, latest: latest, bytes: 1 << 40}
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

// latencies returns that many latencies of as many samples each, which differ.
func latencies(tb testing.TB, random *rand.Rand, n, samples int) (list []Latency) {
	tb.Helper()
	for range n {
		h := NewHistogram()
		for range samples {
			if err := h.RecordValue(int64(2e6 * math.Exp(0.5*random.NormFloat64()))); err != nil {
				tb.Fatal(err)
			}
		}
		l, err := NewLatency(h)
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, l)
	}
	return list
}

// manyKinds is an interval of one second with that many kinds of operations, and with moments
// of response times that vary.
func manyKinds(n, kinds int, shapes []Latency) *Interval {
	i := &Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second}
	for k := range kinds {
		l := shapes[(n+k)%len(shapes)]
		i.Operations = append(i.Operations, Operation{
			Phase: "measure", Op: "op" + strconv.Itoa(k), Offered: 2000, Completed: 2000, ResponseTime: l, ServiceTime: l,
			Errors: []ErrorClass{},
		})
	}
	for k := range 100 {
		at := i.Start + time.Duration(k)*MomentLength
		longest := time.Duration(30+(n+7*k)%30) * time.Millisecond
		i.Moments = append(i.Moments, Moment{At: at, Completed: 2, Longest: longest})
	}
	return i
}

// A journal is bounded in bytes, too: of many kinds of operations, its intervals become coarser
// long before it has many lines, and they still add up to the same.
func TestJournalIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("writes megabytes")
	}
	const seconds, kinds, limit = 200, 4, 1 << 20
	d, err := Create(filepath.Join(t.TempDir(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	d.coarse = coarsening{lines: journalLines, latest: journalLatest, bytes: limit}
	if err := d.WriteStart(&Run{Schema: Schema, ID: "x", Plan: Plan{Phases: []PlanPhase{{Name: "measure"}}}}); err != nil {
		t.Fatal(err)
	}
	shapes := latencies(t, rand.New(rand.NewPCG(1, 2)), 10, 2000)
	written, largest := int64(0), int64(0)
	for n := range seconds {
		i := manyKinds(n, kinds, shapes)
		if err := d.WriteInterval(i); err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		wait := d.coarsened
		d.mu.Unlock()
		<-wait
		line, err := json.Marshal(i)
		info, statErr := os.Stat(filepath.Join(d.Path, JournalFile))
		if err := errors.Join(err, statErr); err != nil {
			t.Fatal(err)
		}
		written, largest = written+int64(len(line)), max(largest, info.Size())
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if written < 3*limit || largest > limit {
		t.Errorf("a journal of %d bytes had %d, want at most %d", written, largest, limit)
	}
	run, err := Read(d.Path)
	if err != nil || len(run.Operations) != kinds {
		t.Fatalf("%v, %d kinds", err, len(run.Operations))
	}
	for _, o := range run.Operations {
		if o.Completed != 2000*seconds || o.ResponseTime.Count != 2000*seconds || o.ServiceTime.Count != 2000*seconds {
			t.Errorf("%s: completed %d, %d and %d times, want %d", o.Op, o.Completed, o.ResponseTime.Count, o.ServiceTime.Count, 2000*seconds)
		}
	}
	var end time.Duration
	answered := uint64(0)
	err = EachInterval(d.Path, func(i *Interval) error {
		if i.Start != end {
			t.Errorf("interval at %v after %v", i.Start, end)
		}
		end = i.Start + i.Length
		for _, m := range i.Moments {
			answered += uint64(m.Completed)
		}
		return nil
	})
	if err != nil || end != seconds*time.Second || answered != 200*seconds {
		t.Errorf("%v of %d s, %d answers in moments, %v", end, seconds, answered, err)
	}
	t.Logf("%d bytes of %d written", largest, written)
}

// BenchmarkJournalOfADay writes the intervals of 24 h, of 5,000 puts a second on three
// members, of one kind or of 40, and prints how large the journal is and how long it takes to read it; with -short,
// of three minutes. It needs a file system in memory, as each line is synced.
func BenchmarkJournalOfADay(b *testing.B) {
	for _, kinds := range []int{1, 40} {
		b.Run(strconv.Itoa(kinds)+"-kinds", func(b *testing.B) { journalOfADay(b, kinds) })
	}
}

func journalOfADay(b *testing.B, kinds int) {
	seconds := 24 * 60 * 60
	if testing.Short() {
		seconds = 3 * 60
	}
	dir, err := os.MkdirTemp("/dev/shm", "journal-")
	if err != nil {
		b.Skip(err)
	}
	defer os.RemoveAll(dir)
	random := rand.New(rand.NewPCG(1, 2))
	shapes := latencies(b, random, 60, 5000)
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
			i := &Interval{Number: k, Phase: "measure", Start: at, Length: time.Second}
			for kind := range kinds {
				i.Operations = append(i.Operations, Operation{
					Phase: "measure", Op: "put" + strconv.Itoa(kind), Write: true, Offered: 5000, Completed: 5000, Throughput: 5000,
					Errors: []ErrorClass{}, ResponseTime: shapes[(k+kind)%len(shapes)], ServiceTime: shapes[(k+kind+7)%len(shapes)],
				})
			}
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
