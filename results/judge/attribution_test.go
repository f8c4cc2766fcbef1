package judge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// timeline makes the intervals of a run of one second each; change may alter any.
func timeline(t *testing.T, seconds int, change func(n int, i *results.Interval)) func(each func(*results.Interval) error) error {
	usual := many(t, 3_000_000)
	return func(each func(*results.Interval) error) error {
		for n := range seconds {
			i := &results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second, InFlight: 5, Operations: []results.Operation{
				{Phase: "measure", Op: "put", Offered: 3, Completed: 3, ResponseTime: usual},
			}}
			if n == 0 {
				i.Phase = "warmup"
			}
			for _, m := range []string{"m1", "m2"} {
				i.Members = append(i.Members, results.Reading{Member: m, At: i.Start + time.Millisecond, Values: map[string]float64{
					"fsync_time": 0.2 * float64(n), "commit_time": 0.1 * float64(n), "leader_changes": 1, "defrag_time": 0, "compaction_pause": 0, "gc_pause": 0.001 * float64(n),
				}})
			}
			change(n, i)
			if err := each(i); err != nil {
				return err
			}
		}
		return nil
	}
}

// many is a second's worth of operations, the last of which took so long.
func many(t *testing.T, last int64) results.Latency {
	t.Helper()
	ns := make([]int64, leastSamples)
	for i := range ns {
		ns[i] = 1_000_000 + int64(i)
	}
	ns[len(ns)-1], ns[len(ns)-2] = last, last
	return latency(t, ns...)
}

func attributed(t *testing.T, change func(n int, i *results.Interval), events ...results.Event) []results.Slow {
	t.Helper()
	run := &results.Run{Plan: results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}}, Events: events}
	slow, err := Attribute(run, timeline(t, 30, change))
	if err != nil {
		t.Fatal(err)
	}
	return slow
}

func TestQuietRunHasNoCauses(t *testing.T) {
	if slow := attributed(t, func(int, *results.Interval) {}); len(slow) > 0 {
		t.Errorf("%+v", slow)
	}
	// What moves in a run that is not slow is nobody's business.
	if slow := attributed(t, func(n int, i *results.Interval) {
		if n > 10 {
			i.Members[0].Values["fsync_time"] += 0.7
		}
	}); len(slow) > 0 {
		t.Errorf("%+v", slow)
	}
}

// What moved in the slow second is named, the strongest first; the rest is not.
func TestCausesAreNamed(t *testing.T) {
	slowLatency := many(t, 900_000_000)
	makeSlow := func(i *results.Interval) { i.Operations[0].ResponseTime = slowLatency }
	add := func(metric string, member int, v float64) func(n int, i *results.Interval) {
		return func(n int, i *results.Interval) {
			if n > 10 { // counters keep what they have
				i.Members[member].Values[metric] += v
			}
		}
	}
	for name, c := range map[string]struct {
		change func(n int, i *results.Interval)
		events []results.Event
		want   string
	}{
		"fsync":      {change: add("fsync_time", 0, 0.8), want: "fsync m1"},
		"commit":     {change: add("commit_time", 1, 0.7), want: "commit m2"},
		"defrag":     {change: add("defrag_time", 1, 0.6), want: "defragmentation m2"},
		"compaction": {change: add("compaction_pause", 0, 900), want: "compaction m1"},
		"leader":     {change: add("leader_changes", 0, 1), want: "change of leader m1"},
		"both": {change: func(n int, i *results.Interval) {
			add("fsync_time", 0, 0.5)(n, i)
			add("leader_changes", 1, 1)(n, i)
		}, want: "change of leader m2, fsync m1"},
		"silence": {change: func(n int, i *results.Interval) {
			if n == 11 {
				i.Members[1] = results.Reading{Member: "m2", Missing: "timeout"}
			}
		}, want: "silence m2"},
		"late answer": {change: func(n int, i *results.Interval) {
			if n == 11 {
				i.Members[1].At += 700 * time.Millisecond
			}
		}, want: "silence m2"},
		// Seen half an interval late, a silence seems shorter than what a change counts for.
		"silence that others answer": {change: func(n int, i *results.Interval) {
			add("leader_changes", 0, 1)(n, i)
			if n == 11 {
				i.Members[1].At += 700 * time.Millisecond
			}
		}, want: "silence m2, change of leader m1"},
		"steal": {change: func(n int, i *results.Interval) {
			if n == 10 {
				i.Generator.Steal = 0.5
			}
		}, want: "CPU steal "},
		"send lag": {change: func(n int, i *results.Interval) {
			if n == 10 {
				i.Generator.SendLag = 800 * time.Millisecond
			}
		}, want: "send lag "},
		"disturbance": {change: func(int, *results.Interval) {}, events: []results.Event{{Kind: "snapshot", Start: 10 * time.Second, Length: 600 * time.Millisecond}}, want: "snapshot "},
		"nothing":     {change: func(int, *results.Interval) {}, want: ""},
		"too little":  {change: add("fsync_time", 0, 0.1), want: ""},
	} {
		slow := attributed(t, func(n int, i *results.Interval) {
			c.change(n, i)
			if n == 10 {
				makeSlow(i)
			}
		}, c.events...)
		if len(slow) != 1 || slow[0].Start != 10*time.Second || slow[0].Length != time.Second || slow[0].P99 < 890_000_000 || slow[0].Usual > 4_000_000 {
			t.Errorf("%s: %+v", name, slow)
			continue
		}
		var got []string
		for _, cause := range slow[0].Causes {
			got = append(got, cause.Name+" "+cause.Member)
			if cause.Text == "" || cause.Time < causeLeast {
				t.Errorf("%s: %+v", name, cause)
			}
		}
		if fmt.Sprint(strings.Join(got, ", ")) != c.want {
			t.Errorf("%s: causes %q, want %q", name, got, c.want)
		}
	}
}

// An operation that took three seconds began three seconds earlier, and so may
// its cause have.
func TestCausesReachBack(t *testing.T) {
	slow := attributed(t, func(n int, i *results.Interval) {
		if n > 17 {
			i.Members[0].Values["fsync_time"] += 0.9 // in second 17
		}
		if n == 20 {
			i.Operations[0].ResponseTime = many(t, 2_900_000_000)
		}
	})
	if len(slow) != 1 || len(slow[0].Causes) != 1 || slow[0].Causes[0].Name != "fsync" {
		t.Errorf("%+v", slow)
	}
}

// With a handful of operations a second, the slowest is no percentile.
func TestFewOperationsAreNotSlow(t *testing.T) {
	if slow := attributed(t, func(n int, i *results.Interval) {
		i.Operations[0].ResponseTime = latency(t, 1_000_000, 2_000_000)
		if n == 10 {
			i.Operations[0].ResponseTime = latency(t, 1_000_000, 900_000_000)
		}
	}); len(slow) > 0 {
		t.Errorf("%+v", slow)
	}
}

// Seconds in which nothing is completed have no p99, and are the slowest of all.
func TestStalledSeconds(t *testing.T) {
	slow := attributed(t, func(n int, i *results.Interval) {
		if n == 20 || n == 21 {
			i.Operations[0].ResponseTime, i.Operations[0].Completed = results.Latency{}, 0
		}
	})
	if len(slow) != 1 || !slow[0].Stalled || slow[0].Length != 2*time.Second {
		t.Errorf("%+v", slow)
	}
}

// A member that died is named as dead, also where it was down for most of the run. What
// it did while it lived is no cause.
func TestDeadMemberIsNamed(t *testing.T) {
	for _, c := range []struct{ reason, want string }{
		{"dial tcp 127.0.0.1:1: connect: connection refused", "m2 was down, from 10s to the end"},
		{"context deadline exceeded", "m2 stopped answering, from 10s to the end"},
	} {
		slow := attributed(t, func(n int, i *results.Interval) {
			i.Members[1].Values["fsync_time"] *= 4
			if n > 10 {
				i.Members[1] = results.Reading{Member: "m2", Missing: c.reason}
				i.Operations[0].ResponseTime = many(t, 2_900_000_000)
			}
		})
		if len(slow) != 0 { // it is the usual state then, by the response times
			t.Errorf("%+v", slow)
		}
		slow = attributed(t, func(n int, i *results.Interval) {
			i.Members[1].Values["fsync_time"] *= 4
			if n > 10 {
				i.Members[1] = results.Reading{Member: "m2", Missing: c.reason}
				i.Operations[0].ResponseTime, i.Operations[0].Completed = results.Latency{}, 0
			}
		})
		if len(slow) != 1 || len(slow[0].Causes) != 1 || slow[0].Causes[0].Text != c.want {
			t.Errorf("%+v, want %q", slow, c.want)
		}
	}
}

// A member that refused connections and came back was down; one that was silent was not.
func TestMemberThatComesBackWasDead(t *testing.T) {
	for reason, want := range map[string]string{
		"connect: connection refused": "m2 was down for ", "context deadline exceeded": "m2 did not answer for ",
	} {
		slow := attributed(t, func(n int, i *results.Interval) {
			if n > 10 && n < 16 {
				i.Members[1] = results.Reading{Member: "m2", Missing: reason}
				i.Operations[0].ResponseTime, i.Operations[0].Completed = results.Latency{}, 0
			}
		})
		if len(slow) != 1 || len(slow[0].Causes) != 1 || !strings.HasPrefix(slow[0].Causes[0].Text, want) {
			t.Errorf("%+v, want %q", slow, want)
		}
	}
}

// A second in which far fewer operations complete than usually is slow, if fewer than
// that have arrived or the load is a closed loop.
func TestShortSeconds(t *testing.T) {
	second := func(offered, completed uint64) func(n int, i *results.Interval) {
		return func(n int, i *results.Interval) {
			i.Operations[0].Offered, i.Operations[0].Completed = 500, 500
			if n == 10 {
				i.Operations[0].Offered, i.Operations[0].Completed = offered, completed
				i.Operations[0].ResponseTime = results.Latency{}
			}
		}
	}
	for name, c := range map[string]struct {
		offered, completed uint64
		rate               float64
		want               bool
	}{
		"an outage":                    {500, 13, 500, true},
		"an outage of a closed loop":   {13, 13, 0, true},
		"fewer arrive":                 {13, 13, 500, false},
		"somewhat fewer are completed": {500, 300, 500, false},
	} {
		run := &results.Run{Plan: results.Plan{Phases: []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure", Load: results.Load{Rate: c.rate}}}}}
		slow, err := Attribute(run, timeline(t, 30, second(c.offered, c.completed)))
		if err != nil {
			t.Fatal(err)
		}
		if c.want != (len(slow) == 1 && slow[0].Start == 10*time.Second && slow[0].Completed == c.completed && slow[0].Expected == 500) || !c.want && len(slow) > 0 {
			t.Errorf("%s: %+v", name, slow)
		}
	}
}

// A cluster that is dead from the warm-up on has one stretch, and its members are named.
func TestDeadClusterIsNamed(t *testing.T) {
	slow := attributed(t, func(n int, i *results.Interval) {
		if n == 0 {
			return
		}
		i.Operations[0].ResponseTime, i.Operations[0].Completed = results.Latency{}, 0
		for k, m := range i.Members {
			i.Members[k] = results.Reading{Member: m.Member, Missing: "connect: connection refused"}
		}
	})
	if len(slow) != 1 || !slow[0].Stalled || len(slow[0].Causes) != 2 || !strings.Contains(slow[0].Causes[0].Text, "was down, from 1s to the end") {
		t.Errorf("%+v", slow)
	}
}
