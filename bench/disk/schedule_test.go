package disk

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// The delays follow the distribution that was asked for.
func TestDistributions(t *testing.T) {
	t.Parallel()
	const n = 20_000
	quantiles := func(c Conditions) (least, p50, p99, most time.Duration) {
		list := make([]time.Duration, n)
		for i := range list {
			list[i] = c.delay()
		}
		slices.Sort(list)
		return list[0], list[n/2], list[n*99/100], list[n-1]
	}
	near := func(what string, got, want time.Duration, share float64) {
		if math.Abs(float64(got-want)) > share*float64(want) {
			t.Errorf("%s is %v, want %v", what, got, want)
		}
	}
	const ms = time.Millisecond
	if least, _, _, most := quantiles(Conditions{Latency: 20 * ms}); least != 20*ms || most != 20*ms {
		t.Errorf("constant: %v to %v", least, most)
	}
	least, p50, _, most := quantiles(Conditions{Latency: 20 * ms, Jitter: 5 * ms})
	near("even p50", p50, 20*ms, 0.03)
	if least < 15*ms || most > 25*ms || least > 16*ms || most < 24*ms {
		t.Errorf("even: %v to %v", least, most)
	}
	_, p50, p99, _ := quantiles(Conditions{Latency: 10 * ms, P99: 80 * ms})
	near("lognormal p50", p50, 10*ms, 0.06)
	near("lognormal p99", p99, 80*ms, 0.2)
}

// An interrupted call that is made again waits for what is left; another one anew.
func TestInterruptedCall(t *testing.T) {
	t.Parallel()
	s := schedule{conditions: Conditions{Latency: time.Second, Delayed: Calls{Syncs: true}}}
	now := time.Now()
	wait := func(thread uint32, id uint64, after, want time.Duration) {
		t.Helper()
		if got, fails := s.decide(thread, id, kindSync, now.Add(after)); got != want || fails {
			t.Errorf("call %d waits %v, want %v", id, got, want)
		}
	}
	wait(7, 1, 0, time.Second)
	wait(8, 2, 0, time.Second)
	wait(7, 3, 600*time.Millisecond, 400*time.Millisecond)
	s.answered(7, 1, now.Add(700*time.Millisecond)) // the answer to the first comes too late
	wait(7, 4, 900*time.Millisecond, 100*time.Millisecond)
	s.answered(7, 4, now.Add(time.Second))
	wait(7, 5, time.Second, time.Second)
	if e := s.set(Conditions{}); e.Delayed != 3 || e.Mean() != time.Second {
		t.Errorf("effect %+v", e)
	}
}

// A call that is answered late counts with the conditions that it waits for, and one that fails waits
// no longer.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	delayed := Conditions{Latency: time.Second, Delayed: Calls{Syncs: true}}
	var s schedule
	now := time.Now()
	s.set(delayed)
	for thread := range uint32(3) {
		s.decide(thread, uint64(thread), kindSync, now)
	}
	s.answered(0, 0, now.Add(1030*ms))
	s.answered(1, 1, now.Add(999*ms))
	if e := s.set(delayed); e.Delayed != 3 || e.Mean() != time.Second || e.MeanLate() != 10*ms {
		t.Errorf("effect %+v, want 3 calls that were 10 ms late on average", e)
	}
	s.answered(2, 2, now.Add(3*time.Second))
	if e := s.set(Conditions{Failed: Calls{Syncs: true}}); e != (Effect{}) {
		t.Errorf("effect %+v of conditions without a call", e)
	}
	s.set(delayed)
	s.decide(4, 4, kindSync, now)
	s.set(Conditions{Failed: Calls{Syncs: true}})
	s.decide(4, 5, kindSync, now.Add(time.Second))
	s.set(delayed)
	if wait, _ := s.decide(4, 6, kindSync, now.Add(2*time.Second)); wait != time.Second {
		t.Errorf("the call after a failed one waits %v, want 1 s", wait)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Conditions{
		"latency must be":            {Latency: -1},
		"latency must be between 0":  {Latency: time.Minute},
		"jitter must be":             {Latency: time.Second, Jitter: 2 * time.Second},
		"p99 must be":                {Latency: time.Second, P99: time.Millisecond},
		"p99 must be above":          {P99: time.Millisecond},
		"cannot be combined":         {Latency: time.Second, P99: 2 * time.Second, Jitter: 1},
		"iops must be":               {IOPS: -1},
		"iops must be between 1 and": {IOPS: math.NaN()},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %s", c, err, want)
		}
	}
	if err := (Conditions{Latency: time.Second, P99: 2 * time.Second, IOPS: 50}).Validate(); err != nil {
		t.Error(err)
	}
}
