package bench

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drawPacer(t *rapid.T) (p Pacer, integral func(time.Duration) float64) {
	from := rapid.Float64Range(0.1, 1e5).Draw(t, "from")
	to := rapid.Float64Range(0.1, 1e5).Draw(t, "to")
	over := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Hour)).Draw(t, "over"))
	if rapid.Bool().Draw(t, "ramp") {
		r := RampPacer{From: from, To: to, Over: over}
		return r, func(d time.Duration) float64 {
			s, o := min(d, over).Seconds(), over.Seconds()
			return from*s + (to-from)/o*s*s/2 + to*max(0, (d-over).Seconds())
		}
	}
	return ConstantPacer{Rate: from}, func(d time.Duration) float64 { return from * d.Seconds() }
}

// Arrival n comes when the rate's integral reaches n, and never before its
// predecessor.
func TestArrivalsMatchTheIntegralOfTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, integral := drawPacer(t)
		n := rapid.Uint64Range(0, 1e7).Draw(t, "n")
		at := p.At(n)
		if next := p.At(n + 1); next < at {
			t.Fatalf("arrival %d at %v, %d at %v", n, at, n+1, next)
		}
		if at > 1000*time.Hour {
			return // where a nanosecond is less than the float's last digit
		}
		if got, want := integral(at), float64(n); math.Abs(got-want) > 1e-3+1e-6*want {
			t.Fatalf("%v arrivals are due at %v, want %d", got, at, n)
		}
	})
}

func TestPoissonArrivals(t *testing.T) {
	const n = 200_000
	p := &PoissonPacer{Rate: RampPacer{From: 1000, To: 1000, Over: time.Second}, Seed: 42}
	var gaps, squares float64
	last := time.Duration(0)
	for i := range uint64(n) {
		at := p.At(i)
		if at < last {
			t.Fatalf("arrival %d at %v, after one at %v", i, at, last)
		}
		gap := (at - last).Seconds()
		gaps += gap
		squares += gap * gap
		last = at
	}
	mean := gaps / n
	deviation := math.Sqrt(squares/n - mean*mean)
	// Exponential gaps: mean and deviation are the same, 1 ms. Their standard
	// errors over n gaps are 0.22 % and 0.32 %.
	if math.Abs(mean-1e-3) > 1e-5 || math.Abs(deviation-1e-3) > 1.5e-5 {
		t.Errorf("gaps have mean %v and deviation %v, want 1 ms each", mean, deviation)
	}
}

// Its time depends on an arrival's number and the seed alone, in whatever order
// one asks.
func TestPoissonIsPure(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		fresh := func() *PoissonPacer {
			return &PoissonPacer{Rate: RampPacer{From: 10, To: 1000, Over: time.Minute}, Seed: seed}
		}
		p := fresh()
		for _, n := range rapid.SliceOfN(rapid.Uint64Range(0, 2000), 1, 10).Draw(t, "order") {
			if got, want := p.At(n), fresh().At(n); got != want {
				t.Fatalf("arrival %d at %v, by itself at %v", n, got, want)
			}
		}
	})
}

func TestRampDownToNothingEnds(t *testing.T) {
	r := RampPacer{From: 10, To: 0, Over: 10 * time.Second}
	if at := r.At(50); at > 10*time.Second || at < 9900*time.Millisecond {
		t.Errorf("the last arrival is at %v, want 10 s", at)
	}
	if at := r.At(51); at != never {
		t.Errorf("arrival 51 is at %v, want never", at)
	}
}

func BenchmarkNextArrival(b *testing.B) {
	for name, p := range map[string]Pacer{
		"constant": ConstantPacer{Rate: 10_000},
		"ramp":     RampPacer{From: 1, To: 10_000, Over: time.Hour},
		"poisson":  &PoissonPacer{Rate: RampPacer{From: 10_000, To: 10_000, Over: time.Second}},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			n := uint64(0)
			for b.Loop() {
				p.At(n)
				n++
			}
		})
	}
}
