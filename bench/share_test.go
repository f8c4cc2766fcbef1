package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/results"
)

// Every number belongs to exactly one share, each share counts its own correctly, and the
// parts of a whole follow one another.
func TestSharesPartitionNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 1000).Draw(t, "shares")
		total := rapid.Uint64Range(0, 5000).Draw(t, "total")
		owners := make([]int, total)
		next := 0
		for i := range count {
			s := Share{Index: i, Count: count}
			below := s.Below(total)
			for k := range below {
				n := s.Number(k)
				if n >= total || !s.Owns(n) {
					t.Fatalf("share %d of %d: operation %d has number %d of %d", i, count, k, n, total)
				}
				owners[n]++
			}
			if s.Number(below) < total {
				t.Fatalf("share %d of %d has more than %d operations below %d", i, count, below, total)
			}
			first, n := s.Divide(int(total))
			if first != next {
				t.Fatalf("share %d of %d begins at %d, not %d", i, count, first, next)
			}
			next += n
		}
		if next != int(total) {
			t.Fatalf("%d of %d are divided", next, total)
		}
		if slices.ContainsFunc(owners, func(n int) bool { return n != 1 }) {
			t.Fatalf("numbers without an owner, or with several: %v", owners)
		}
	})
}

// A mix that repeats itself gives every share its part of each kind.
func TestSharesMixKinds(t *testing.T) {
	for _, count := range []int{2, 3, 4, 8, 100} {
		for period := 2; period <= 8; period++ {
			s := Share{Index: count - 1, Count: count}
			seen := make([]int, period)
			const n = 8000
			for k := range uint64(n) {
				seen[s.Number(k)%uint64(period)]++
			}
			for kind, got := range seen {
				if want := n / period; got < want*9/10 || got > want*11/10 {
					t.Errorf("%d shares, kind %d of %d: %d operations, want about %d", count, kind, period, got, want)
				}
			}
		}
	}
}

// meeting keeps shares in step that run in one process.
type meeting struct {
	start time.Time
	ended chan struct{}
	all   sync.WaitGroup
	mu    sync.Mutex
	runs  []*results.Run
}

func newMeeting(count int) *meeting {
	m := &meeting{start: time.Now().Add(time.Second)}
	m.all.Add(count)
	return m
}

func (m *meeting) Start(context.Context) (time.Time, error) { return m.start, nil }
func (m *meeting) Ended() <-chan struct{}                   { return m.ended }
func (m *meeting) Drained(context.Context) error            { m.all.Done(); m.all.Wait(); return nil }
func (m *meeting) Done(_ context.Context, run *results.Run, _ []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.runs = append(m.runs, run)
	return nil
}

// request is what a workload learns of an operation.
type request struct {
	phase    int
	n        uint64
	earlier  string
	intended time.Duration
}

// requestsOf runs the shares of a plan at once and returns what they send, sorted, and
// their results.
func requestsOf(t *testing.T, p Plan, count int) ([]request, []*results.Run) {
	var (
		mu   sync.Mutex
		list []request
		wg   sync.WaitGroup
		m    = newMeeting(count)
	)
	server := func(ctx context.Context, op *Op) error {
		mu.Lock()
		r := request{phase: op.Phase, n: op.N, earlier: fmt.Sprint(op.Earlier(), op.Before)}
		if op.Open {
			r.intended = op.Intended
		}
		list = append(list, r)
		mu.Unlock()
		return wait(ctx, time.Duration(1+op.N%7)*time.Millisecond)
	}
	for i := range count {
		o := virtual()
		o.Share, o.Peers = Share{Index: i, Count: count}, m
		wg.Go(func() {
			if _, err := Run(t.Context(), p, &fakeWorkload{serve: server}, o); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	slices.SortFunc(list, func(a, b request) int {
		if a.phase != b.phase {
			return a.phase - b.phase
		}
		return int(a.n) - int(b.n)
	})
	return list, m.runs
}

// randomPlan has phases whose operations follow from the plan alone; only the last may
// end by a number of operations.
func randomPlan(rng *rand.Rand) Plan {
	p := measurePlan(8+rng.IntN(40), PlanPhase{Total: uint64(rng.IntN(300)), Load: Load{Rate: float64(50 * rng.IntN(20))}})
	if last := &p.Phases[0]; last.Total == 0 {
		last.Duration, last.Load.Rate = 300*time.Millisecond, 200
	}
	p.Seed = rng.Uint64()
	for i := range rng.IntN(4) {
		ph := PlanPhase{Name: fmt.Sprint(i), Duration: time.Duration(1+rng.IntN(700)) * time.Millisecond}
		ph.Load.Rate = float64(1 + rng.IntN(800))
		if rng.IntN(2) == 0 {
			ph.Load.Arrival = ArrivalPoisson
		}
		if rng.IntN(2) == 0 {
			ph.Load.RateEnd = float64(1 + rng.IntN(800))
		}
		p.Phases = append([]PlanPhase{ph}, p.Phases...)
	}
	return p
}

// Together, the shares of a plan send what one generator sends: the same operations with
// the same numbers at the same intended times.
func TestSharesSendThePlan(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			plan, count := randomPlan(rng), 1+rng.IntN(7)
			want, _ := requestsOf(t, plan, 1)
			got, runs := requestsOf(t, plan, count)
			if !reflect.DeepEqual(want, got) {
				t.Fatalf("seed %d, %d shares of %+v: %d requests, want %d", seed, count, plan.Phases, len(got), len(want))
			}
			var offered uint64
			for _, run := range runs {
				for _, o := range run.Operations {
					offered += o.Offered
				}
			}
			var planned uint64
			for i := range count {
				phases, known := Planned(plan)
				for _, n := range phases {
					planned += Share{Index: i, Count: count}.Below(n)
				}
				if !known {
					t.Errorf("the operations of %+v are not known", plan.Phases)
				}
			}
			if offered != uint64(len(want)) || planned != offered {
				t.Errorf("seed %d: %d offered, %d planned, %d sent", seed, offered, planned, len(want))
			}
		})
	}
}

// Shares of closed loops that end by time never use a number twice, and agree on how many
// operations came before.
func TestSharesOfClosedLoops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plan := measurePlan(7, PlanPhase{Duration: time.Second})
		plan.Phases = append([]PlanPhase{{Name: "a", Duration: 1500 * time.Millisecond}}, plan.Phases...)
		got, runs := requestsOf(t, plan, 3)
		for i := 1; i < len(got); i++ {
			if got[i].phase == got[i-1].phase && (got[i].n == got[i-1].n || got[i].earlier != got[i-1].earlier) {
				t.Fatalf("%+v and %+v", got[i-1], got[i])
			}
		}
		if len(runs) != 3 || len(got) < 1000 {
			t.Errorf("%d runs, %d requests", len(runs), len(got))
		}
		for _, run := range runs {
			if run.Phases[1].Start != 0 || run.Phases[2].Start != 1500*time.Millisecond {
				t.Errorf("phases %+v", run.Phases)
			}
		}
	})
}

// A share that is stopped before its load begins has intervals and phases at 0, which can
// be merged with those of others.
func TestShareStoppedBeforeItsStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		defer stop(nil)
		time.AfterFunc(500*time.Millisecond, func() { stop(errors.New("another agent was lost")) })
		m := newMeeting(1)
		o := virtual()
		o.Share, o.Peers = Share{Count: 1}, m
		seen := &intervalLog{}
		o.Observers = []Observer{seen}
		_, _ = Run(ctx, measurePlan(2, PlanPhase{Duration: time.Minute, Load: Load{Rate: 100}}), &fakeWorkload{}, o)
		if len(m.runs) != 1 {
			t.Fatalf("%d runs were handed over", len(m.runs))
		}
		for _, i := range seen.intervals {
			if i.Start < 0 || i.Length < 0 || i.Length > time.Second {
				t.Errorf("interval from %v, length %v", i.Start, i.Length)
			}
		}
		for _, ph := range m.runs[0].Phases[1:] {
			if ph.Start < 0 || ph.Length < 0 || ph.Length > time.Second {
				t.Errorf("phase %s from %v, length %v", ph.Name, ph.Start, ph.Length)
			}
		}
	})
}
