package bench

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// However samples are spread over shards, goroutines and intervals, what comes
// out is one histogram of all of them, and nothing is lost or counted twice.
func TestShardsMergeToOneHistogram(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Int64Range(0, results.HighestTime), 1, 500).Draw(t, "times")
		callers := rapid.IntRange(1, 16).Draw(t, "callers")
		want := results.NewHistogram()
		for _, ns := range times {
			if err := want.RecordValue(ns); err != nil {
				t.Fatal(err)
			}
		}
		r := NewRecorder(1, time.Hour)
		stop := make(chan struct{})
		intervals, interval := series{}, newTotals(1)
		var reader, writers sync.WaitGroup
		collect := func() {
			r.collect(interval, &series{})
			if s := &interval[0].hists[seriesResponse]; s.total() > 0 {
				intervals.merge(s)
			}
		}
		reader.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					collect()
				}
			}
		})
		for c := range callers {
			writers.Go(func() {
				for i := c; i < len(times); i += callers {
					r.Record(c, Sample{Done: time.Duration(times[i])})
				}
			})
		}
		writers.Wait()
		close(stop)
		reader.Wait()
		collect()
		all, err := results.NewLatency(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.phase[0].hists[seriesResponse].latency(&results.Encoder{}); err != nil || got.HDR != all.HDR {
			t.Fatalf("the phase has %d samples, want %d (%v)", got.Count, all.Count, err)
		}
		if got, err := intervals.latency(&results.Encoder{}); err != nil || got.HDR != all.HDR {
			t.Fatalf("the intervals have %d samples together, want %d (%v)", got.Count, all.Count, err)
		}
	})
}

func TestOutcomesAreKeptApart(t *testing.T) {
	r := NewRecorder(2, 10*time.Second)
	r.Record(0, Sample{Kind: 1, Outcome: Completed, Intended: time.Second, Sent: 3 * time.Second, Done: 7 * time.Second})
	r.Record(1, Sample{Kind: 1, Outcome: Completed, Done: 11 * time.Second})
	r.Record(2, Sample{Kind: 1, Outcome: Failed, Done: 2 * time.Second})
	r.Record(3, Sample{Kind: 1, Outcome: TimedOut, Done: time.Hour})
	r.collect(newTotals(2), &series{})
	got := r.phase[1]
	if want := (tally{late: 1, timedOut: 1, overflow: 1}); got.tally != want {
		t.Errorf("counted %+v, want %+v", got.tally, want)
	}
	for series, want := range map[int]uint64{seriesResponse: 3, seriesService: 2, seriesQueue: 2, seriesFailedResponse: 1, seriesUnfinished: 1} {
		if n := got.count(series); n != want {
			t.Errorf("series %d has %d samples, want %d", series, n, want)
		}
	}
	for series, ns := range map[int]time.Duration{
		seriesResponse: 10 * time.Minute, seriesService: 11 * time.Second, seriesQueue: 2 * time.Second,
		seriesFailedResponse: 2 * time.Second, seriesUnfinished: 10 * time.Minute,
	} {
		if max := time.Duration(got.hists[series].Max()); max < ns || max > ns+ns/500 {
			t.Errorf("series %d goes up to %v, want %v", series, max, ns)
		}
	}
	if r.phase[0].tally != (tally{}) || r.phase[0].count(seriesResponse) != 0 {
		t.Error("the other kind got samples")
	}
}

func BenchmarkRecord(b *testing.B) {
	sample := func(i int) Sample {
		return Sample{Sent: time.Microsecond, Done: time.Duration(i&0xfffff) * time.Microsecond}
	}
	b.Run("alone", func(b *testing.B) {
		r := NewRecorder(1, time.Hour)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			r.Record(0, sample(i))
		}
	})
	// Each CPU with its own shard, and all of them on one.
	for name, spread := range map[string]int64{"own-shards": 1, "one-shard": 0} {
		b.Run(name, func(b *testing.B) {
			r := NewRecorder(1, time.Hour)
			var number atomic.Int64
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				caller := int(number.Add(1) * spread)
				for i := 0; pb.Next(); i++ {
					r.Record(caller, sample(i))
				}
			})
		})
	}
}

func BenchmarkCollect(b *testing.B) {
	r, interval := NewRecorder(1, time.Hour), newTotals(1)
	for b.Loop() {
		for i := range 1000 {
			r.Record(i, Sample{Done: time.Duration(i) * time.Microsecond})
		}
		r.collect(interval, &series{})
	}
}
