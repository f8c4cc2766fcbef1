package judge

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// deadMember is a run of 30 s whose clients are divided among three members, one of which is
// down for a while. Its clients wait until their timeout, or until the member is back.
type deadMember struct {
	rate     float64
	poisson  bool
	at, down time.Duration
	timeout  time.Duration
	failed   float64       // the share of arrivals that fail without a cause
	stops    time.Duration // the least time between two stops of the machine; 0: none
	seed     uint64
}

const deadMemberLength = 30 * time.Second

func (d deadMember) run() *results.Run {
	run := outage{rate: int(d.rate), at: d.at}.scheduled()
	run.Plan.Timeout = d.timeout
	run.Phases[0].Length = deadMemberLength
	if d.down == 0 {
		run.Events = nil
	}
	return run
}

// intervals returns a journal with a single interval.
func (d deadMember) intervals() Intervals {
	r := rand.New(rand.NewPCG(d.seed, 2))
	type client struct {
		free   time.Duration
		member int
	}
	var clients []client
	for i := range 128 {
		clients = append(clients, client{member: i % 3})
	}
	interval := &results.Interval{}
	stop := time.Duration(r.Int64N(int64(d.stops + 1))) // when the machine stops next, for 0.3 s
	for at := time.Duration(0); at < deadMemberLength; {
		c := clients[0] // the one that is free for the longest time
		service := time.Duration((1 + 5*r.ExpFloat64()) * float64(time.Millisecond))
		m := results.Moment{At: at.Truncate(results.MomentLength), Completed: 1}
		m.Longest = service
		if back := stop + 300*time.Millisecond; d.stops > 0 && at >= back {
			stop = back + d.stops + time.Duration(r.Int64N(int64(d.stops)))
		} else if d.stops > 0 && at >= stop {
			m.Longest += back - at
		}
		if c.member == 0 && at >= d.at && at < d.at+d.down {
			m.Longest = d.at + d.down - at + service
		}
		if m.Longest > d.timeout || r.Float64() < d.failed {
			m = results.Moment{At: m.At, Failed: 1, Longest: 0}
			c.free = at + d.timeout
		} else {
			c.free = at + m.Longest
		}
		clients = append(clients[1:], c)
		for i := len(clients) - 1; i > 0 && clients[i-1].free > clients[i].free; i-- {
			clients[i-1], clients[i] = clients[i], clients[i-1]
		}
		if m.Longest > results.SlowAnswer {
			m.Slow = 1
		}
		interval.Moments = append(interval.Moments, m)
		gap := 1.0
		if d.poisson {
			gap = r.ExpFloat64()
		}
		at += time.Duration(gap / d.rate * float64(time.Second))
	}
	return func(each func(*results.Interval) error) error { return each(interval) }
}

// An outage of the clients of one member is named, with its begin, its length and its share.
func TestPartialOutage(t *testing.T) {
	for name, test := range map[string]struct {
		deadMember
		least, most float64
	}{
		"failures":                        {deadMember{rate: 200, timeout: time.Second}, 0.1, 0.35},
		"Poisson arrivals":                {deadMember{rate: 200, timeout: time.Second, poisson: true}, 0.1, 0.35},
		"failures and others":             {deadMember{rate: 200, timeout: time.Second, failed: 0.01}, 0.1, 0.37},
		"few arrivals":                    {deadMember{rate: 20, timeout: 2 * time.Second, poisson: true}, 0.2, 0.45},
		"few arrivals that wait":          {deadMember{rate: 20, timeout: 10 * time.Second}, 0.2, 0.45},
		"clients that wait for the end":   {deadMember{rate: 200, timeout: 10 * time.Second}, 0.2, 0.4},
		"clients that wait for a timeout": {deadMember{rate: 200, timeout: 5 * time.Second}, 0.03, 0.4},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				d := test.deadMember
				d.at, d.down, d.seed = 6*time.Second, 8*time.Second, seed
				a, err := NewAvailability(d.run(), d.intervals())
				if err != nil || a.Count != 1 {
					t.Fatalf("%+v, %v", a, err)
				}
				u := a.Outages[0]
				// Failed arrivals count from their intended time: the last of them may be one
				// timeout before the end.
				if begin := (u.Start - d.at).Abs(); begin > 300*time.Millisecond || u.Length > d.down+d.timeout/2 || u.Length < d.down-d.timeout-time.Second {
					t.Errorf("%+v, want %v from %v on", u, d.down, d.at)
				}
				if u.Share < test.least || u.Share > test.most || u.Open {
					t.Errorf("%+v, want a share from %v to %v", u, test.least, test.most)
				}
			}
		})
	}
}

// Failures of single operations are no outages, and stops of the machine of 0.3 s are no partial
// ones.
func TestNoPartialOutage(t *testing.T) {
	for _, rate := range []float64{2, 20, 200, 1000} {
		for name, d := range map[string]deadMember{
			"no failures":        {},
			"failures":           {failed: 0.02},
			"stops":              {stops: 3 * time.Second},
			"stops and failures": {stops: 3 * time.Second, failed: 0.001},
		} {
			t.Run(fmt.Sprintf("%s at %v per second", name, rate), func(t *testing.T) {
				for seed := range uint64(4) {
					d.rate, d.poisson, d.timeout, d.seed = rate, true, 10*time.Second, seed
					a, err := NewAvailability(d.run(), d.intervals())
					if err != nil || a.Partial != 0 || d.stops == 0 && a.Count != 0 {
						t.Errorf("%+v, %v", a, err)
					}
				}
			})
		}
	}
}

// An outage over several slow stretches names each signal of a member once, and a disturbance
// by what it did alone.
func TestCausesOfAnOutageAreNamedOnce(t *testing.T) {
	slow := func(start time.Duration, causes ...results.Cause) results.Slow {
		return results.Slow{Start: start, Length: time.Second, Causes: causes}
	}
	kill := results.Cause{Name: "kill", Time: 5 * time.Second, Text: "kill took 5s"}
	f := outageFinder{run: &results.Run{
		Events: []results.Event{{Kind: "kill", Start: 5 * time.Second, Length: 5 * time.Second, Detail: "m1: for 5s"}},
		Slow: []results.Slow{
			slow(5*time.Second, results.Cause{Name: silent, Member: "m1", Time: 2 * time.Second, Text: "m1 was down for 2s"}, kill),
			slow(9*time.Second, results.Cause{Name: silent, Member: "m1", Time: 6 * time.Second, Text: "m1 was down for 6s"}, kill),
		},
	}}
	got := f.causes(&results.Outage{Start: 5 * time.Second, Length: 5 * time.Second})
	if want := []string{"kill m1: for 5s", "m1 was down for 6s"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
