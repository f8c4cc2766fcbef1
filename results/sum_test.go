package results

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawOperation returns an operation with random outcomes.
func drawOperation(t *rapid.T, phase, op string) Operation {
	times := rapid.SliceOfN(rapid.Int64Range(1000, HighestTime), 0, 40)
	completed, failed, unfinished := times.Draw(t, "completed"), times.Draw(t, "failed"), times.Draw(t, "unfinished")
	dropped := rapid.Uint64Range(0, 9).Draw(t, "dropped")
	o := Operation{
		Phase: phase, Op: op, Completed: uint64(len(completed)), Failed: uint64(len(failed)), Dropped: dropped,
		Unfinished: uint64(len(unfinished)), ResponseTime: latency(t, append(slices.Clone(completed), unfinished...)...),
		ServiceTime: latency(t, completed...), FailedResponseTime: latency(t, failed...),
		UnfinishedResponseTime: latency(t, unfinished...), Errors: []ErrorClass{},
	}
	o.Offered = o.Ended()
	o.CompletedLate = rapid.Uint64Range(0, o.Completed).Draw(t, "late")
	if err := o.Complete(time.Second); err != nil {
		t.Fatal(err)
	}
	return o
}

// The percentiles of a second rise, those of several operations together too, and from
// the first lower bound on all are lower bounds.
func TestPercentilesRise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := Interval{Phase: "measure", Length: time.Second}
		for _, op := range []string{"put", "range", "txn"} {
			i.Operations = append(i.Operations, drawOperation(t, "measure", op))
		}
		i.Operations = append(i.Operations, drawOperation(t, "warmup", "put"))
		sum, err := i.Sum()
		if err != nil {
			t.Fatal(err)
		}
		var before Percentile
		for _, q := range sum.Percentiles(10, 50, 75, 90, 99, 99.9) {
			if q.Time < before.Time || before.AtLeast && !q.AtLeast || q.Resolved && !before.Resolved && before.P > 0 {
				t.Errorf("%+v after %+v", q, before)
			}
			before = q
		}
		if sum.ErrorRate() < 0 || sum.ErrorRate() > 1 || uint64(sum.AllResponseTime.Count) != sum.Ended()-sum.Dropped {
			t.Errorf("error rate %v, %d times of %+v", sum.ErrorRate(), sum.AllResponseTime.Count, sum)
		}
	})
}

// What intervals add up to is the phase, whatever its parts: by Sum, and by a journal
// that is rebuilt.
func TestIntervalsAddUpToThePhase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var parts []Operation
		var journal bytes.Buffer
		enc := json.NewEncoder(&journal)
		if err := enc.Encode(entry{Run: sampleRun(t)}); err != nil {
			t.Fatal(err)
		}
		seconds := rapid.IntRange(1, 5).Draw(t, "seconds")
		for n := range seconds {
			o := drawOperation(t, "measure", "put")
			parts = append(parts, o)
			i := Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second, Operations: []Operation{o}}
			if err := enc.Encode(entry{Interval: &i}); err != nil {
				t.Fatal(err)
			}
		}
		length := time.Duration(seconds) * time.Second
		want, err := Sum(length, parts...)
		if err != nil {
			t.Fatal(err)
		}
		halves := make([]Operation, 2)
		for k, part := range [][]Operation{parts[:len(parts)/2], parts[len(parts)/2:]} {
			if halves[k], err = Sum(0, part...); err != nil {
				t.Fatal(err)
			}
		}
		joined, err := Sum(length, halves...)
		if err != nil {
			t.Fatal(err)
		}
		if joined.ResponseTime != want.ResponseTime || joined.AllResponseTime != want.AllResponseTime || joined.Throughput != want.Throughput {
			t.Errorf("halves add up to %+v, all to %+v", joined, want)
		}
		run, err := Rebuild(&journal)
		if err != nil {
			t.Fatal(err)
		}
		want.Errors = []ErrorClass{}
		if !reflect.DeepEqual(run.Operations, []Operation{want}) {
			t.Errorf("rebuilt %+v\nwant %+v", run.Operations, want)
		}
	})
}

// A document and a journal of the schema before are read as ones of today.
func TestFirstSchemaIsRead(t *testing.T) {
	want := sampleRun(t)
	old := sampleRun(t)
	old.Schema = schemaV1
	o := &old.Operations[0]
	o.ResponseTime = latency(t, 1_000_000, 2_000_000, 3_000_000)
	data, err := Encode(old)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	var lines [2]string
	for k, run := range []*Run{old, want} {
		header := *run
		header.Operations, header.Phases = nil, nil
		var b strings.Builder
		enc := json.NewEncoder(&b)
		i := Interval{Phase: "measure", Length: time.Second, Operations: run.Operations[:1]}
		if err := enc.Encode(entry{Run: &header}); err != nil {
			t.Fatal(err)
		}
		if err := enc.Encode(entry{Interval: &i}); err != nil {
			t.Fatal(err)
		}
		lines[k] = b.String()
	}
	first, err1 := Rebuild(strings.NewReader(lines[0]))
	second, err2 := Rebuild(strings.NewReader(lines[1]))
	if err1 != nil || err2 != nil || !reflect.DeepEqual(first, second) {
		t.Errorf("rebuilt %+v, %v\nwant %+v, %v", first, err1, second, err2)
	}
}

// What is printed of a document that is saved is what was printed before: figures come
// from the histograms, whatever else a file says.
func TestReadingComputesAnew(t *testing.T) {
	run := sampleRun(t)
	data, err := Encode(run)
	if err != nil {
		t.Fatal(err)
	}
	for _, lie := range [][2]string{
		{`"mean": 1999957`, `"mean": 9`}, {`"throughput": 0.1`, `"throughput": 77`}, {`"error_rate": 0.5`, `"error_rate": 0`},
	} {
		if !bytes.Contains(data, []byte(lie[0])) {
			t.Errorf("no %s in the document", lie[0])
		}
		data = bytes.ReplaceAll(data, []byte(lie[0]), []byte(lie[1]))
	}
	got, err := Decode(data)
	if err != nil || !reflect.DeepEqual(got, run) {
		t.Errorf("got %+v, %v\nwant %+v", got, err, run)
	}
	if bytes.Contains(data, []byte(`"p50"`)) {
		t.Error("a percentile of four samples is in the document")
	}
}
