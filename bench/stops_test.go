package bench

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A closed loop has no schedule. Its generator stands still for 50 ms every two seconds:
// with requests of a millisecond, a few of many are delayed, and the throughput is lower; with
// those of 30 ms, it is most of the p99.
func TestStopsInClosedLoops(t *testing.T) {
	const every, stop, first = 2 * time.Second, 50 * time.Millisecond, time.Second
	for _, c := range []struct {
		stops    bool
		service  time.Duration
		endpoint string
		want     string // severity
	}{
		{false, time.Millisecond, "10.0.0.1:2379", ""}, {true, time.Millisecond, "10.0.0.1:2379", results.Degraded},
		{false, 30 * time.Millisecond, "10.0.0.1:2379", ""}, {true, 30 * time.Millisecond, "10.0.0.1:2379", results.Invalid},
		{true, 30 * time.Millisecond, "127.0.0.1:2379", results.Degraded},
		{true, 400 * time.Millisecond, "10.0.0.1:2379", results.Degraded}, // the stops take 2 % of the time
	} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			o := virtual()
			o.Cluster = results.Cluster{Kind: results.ClusterRemote, Members: []results.Member{{Endpoint: c.endpoint}}}
			serve := func(ctx context.Context, _ *Op) error { return wait(ctx, c.service) }
			if c.stops {
				o.sleeper = func() sleeper {
					return &stopping{sleeper: newTimerSleeper(), start: start, every: every, stop: stop, next: first}
				}
				serve = func(ctx context.Context, _ *Op) error {
					err := wait(ctx, c.service)
					if at := (time.Since(start) - first) % every; err == nil && at >= 0 && at < stop {
						err = wait(ctx, stop-at)
					}
					return err
				}
			}
			log := &intervalLog{}
			o.Observers = []Observer{log}
			run := mustRun(t, t.Context(), measurePlan(8, PlanPhase{Duration: 10 * time.Second}), &fakeWorkload{serve: serve}, o)
			v := run.Validity
			i := slices.IndexFunc(v.Reasons, func(r results.Reason) bool { return r.Code == "generator-stopped" })
			got := ""
			if i >= 0 {
				got = v.Reasons[i].Severity
				t.Log(v.Reasons[i].Message)
			}
			if got != c.want || c.want == results.Invalid && v.Verdict != results.Invalid {
				t.Errorf("stops %v, %v: severity %q, want %q: %+v", c.stops, c.service, got, c.want, v)
			}
			var shown time.Duration
			for _, i := range log.intervals {
				shown += i.Generator.Stopped
			}
			if shown != v.Generator.Stopped {
				t.Errorf("the intervals have stops of %v, the result %v", shown, v.Generator.Stopped)
			}
		})
	}
}

// A late wake-up is a stop where the process did not run.
func TestPulse(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		usual     float64 // CPUs
		late, cpu time.Duration
		stop      time.Duration
	}{
		"in time":                      {0.5, ms, 5 * ms, 0},
		"stopped":                      {0.5, 50 * ms, 5 * ms, 50 * ms},
		"stopped, then all answers":    {0.5, 50 * ms, 9 * ms, 50 * ms},
		"busy, and late":               {1.8, 50 * ms, 100 * ms, 0},
		"busy, and late for a moment":  {1.8, 6 * ms, 28 * ms, 0},
		"on one CPU of two, and late":  {1.8, 50 * ms, 60 * ms, 0},
		"idle, and stopped":            {0, 20 * ms, 200 * time.Microsecond, 20 * ms},
		"many CPUs, stopped":           {12, 300 * ms, 130 * ms, 300 * ms},
		"many CPUs, a goroutine waits": {12, 30 * ms, 480 * ms, 0},
	} {
		p := pulse{at: time.Second, cpu: time.Minute, usual: c.usual}
		if got := p.next(time.Second+pulseLength+c.late, time.Minute+c.cpu); got != c.stop {
			t.Errorf("%s: a stop of %v, want %v", name, got, c.stop)
		}
		if p.at != time.Second+pulseLength+c.late || p.cpu != time.Minute+c.cpu {
			t.Errorf("%s: the next pulse counts from %v, %v", name, p.at, p.cpu)
		}
	}
}

func TestJudgeStops(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		stops          uint64
		stopped, delay time.Duration
		p99            time.Duration
		want           string
	}{
		"none":                         {0, 0, 0, 10 * ms, results.Valid},
		"short ones":                   {3, 60 * ms, 0, 10 * ms, results.Valid},
		"more than one in 100":         {5, 200 * ms, 0, 10 * ms, results.Degraded},
		"more than one in 10":          {5, 1200 * ms, 0, 10 * ms, results.Invalid},
		"an accident":                  {1, 1200 * ms, 1200 * ms, 1300 * ms, results.Degraded},
		"nothing completed":            {5, 200 * ms, 20 * ms, 0, results.Degraded},
		"a part of the p99":            {4, 80 * ms, 20 * ms, 100 * ms, results.Degraded},
		"most of the p99":              {4, 80 * ms, 20 * ms, 22 * ms, results.Invalid},
		"nothing that anybody can see": {4, 80 * ms, 20 * ms, time.Second, results.Valid},
	} {
		f := findings{elapsed: 10 * time.Second, stopDelay: c.delay, serviceP99: c.p99, cluster: results.ClusterRemote}
		f.Stops, f.Stopped, f.StopMax = c.stops, c.stopped, c.stopped
		v := f.judge()
		if v.Verdict != c.want {
			t.Errorf("%s: %s, want %s: %+v", name, v.Verdict, c.want, v.Reasons)
		}
		if len(v.Reasons) > 0 && strings.Contains(v.Reasons[0].Message, "p99") != (c.delay > 0 && c.p99 > 0) {
			t.Errorf("%s: %s", name, v.Reasons[0].Message)
		}
	}
}

// On a machine that the cluster fills, short waits of the generator are waits for a CPU, which
// cpu-contention says. Stops that take much of the time are said there, too.
func TestStopsOnAFullMachine(t *testing.T) {
	t.Parallel()
	codes := func(machine float64, stopped time.Duration) (codes []string) {
		f := findings{elapsed: 10 * time.Second, stopDelay: 6 * time.Millisecond, serviceP99: 50 * time.Millisecond, local: true}
		f.Machine, f.Stops, f.Stopped, f.StopMax = machine, 8, stopped, 10*time.Millisecond
		for _, r := range f.judge().Reasons {
			codes = append(codes, r.Code)
		}
		return codes
	}
	for _, c := range []struct {
		machine float64
		stopped time.Duration
		want    []string
	}{
		{0.96, 60 * time.Millisecond, []string{"cpu-contention"}},
		{0.50, 60 * time.Millisecond, []string{"generator-stopped"}},
		{0.96, 500 * time.Millisecond, []string{"generator-stopped", "cpu-contention"}},
	} {
		if got := codes(c.machine, c.stopped); !slices.Equal(got, c.want) {
			t.Errorf("%.2f busy, stopped for %v: %v, want %v", c.machine, c.stopped, got, c.want)
		}
	}
}
