package bench

import (
	"math"
	"math/rand/v2"
	"time"
)

// Pacer defines the planned starts of an open loop. At returns the offset of arrival n (from 0)
// from its phase's start. The offset depends on n alone, so a generator that falls behind
// neither loses nor shifts an arrival. Offsets never decrease with n. A Pacer is used by one
// goroutine at a time.
type Pacer interface {
	At(n uint64) time.Duration
}

// never is a time after the end of any phase.
const never = time.Duration(math.MaxInt64)

// ConstantPacer spaces arrivals evenly at Rate per second. Rate must be positive.
type ConstantPacer struct{ Rate float64 }

// RampPacer changes the rate linearly from From to To arrivals per second during Over, and then
// keeps To.
type RampPacer struct {
	From, To float64
	Over     time.Duration
}

// PoissonPacer draws the arrivals of a Poisson process with the given rate. It maps the
// unit-rate process through the inverse of the rate's integral (time change; Çinlar,
// Introduction to Stochastic Processes, 1975).
type PoissonPacer struct {
	// Rate is the process's rate; From = To makes it constant.
	Rate RampPacer
	Seed uint64

	// rng, next and at are a cursor: the state of the unit-rate process up to arrival next-1.
	// It makes sequential calls cheap. A call for an earlier arrival restarts the process, so
	// the results do not depend on the order of calls.
	rng  *rand.PCG
	next uint64
	at   float64
}

var (
	_ Pacer = ConstantPacer{}
	_ Pacer = RampPacer{}
	_ Pacer = (*PoissonPacer)(nil)
)

// At implements [Pacer].
func (p ConstantPacer) At(n uint64) time.Duration { return seconds(float64(n) / p.Rate) }

// At implements [Pacer].
func (p RampPacer) At(n uint64) time.Duration { return p.inverse(float64(n)) }

// inverse solves From·t + s·t²/2 = x for t, with s the slope. The form with the root in the
// denominator loses no precision when s is small.
func (p RampPacer) inverse(x float64) time.Duration {
	over := p.Over.Seconds()
	total := (p.From + p.To) / 2 * over
	if x > total {
		if p.To <= 0 {
			return never
		}
		return seconds(over + (x-total)/p.To)
	}
	if x == 0 {
		return 0
	}
	slope := (p.To - p.From) / over
	root := math.Sqrt(max(0, p.From*p.From+2*slope*x))
	return seconds(2 * x / (p.From + root))
}

func seconds(s float64) time.Duration {
	ns := s * float64(time.Second)
	if !(ns < float64(never)) {
		return never
	}
	return time.Duration(ns)
}

// At implements [Pacer].
func (p *PoissonPacer) At(n uint64) time.Duration {
	if p.rng == nil || n+1 < p.next {
		p.rng, p.next, p.at = rand.NewPCG(p.Seed, 0x6172726976616c73), 0, 0
	}
	for p.next <= n {
		// Exponential gaps by inversion. 1-u is never 0.
		u := float64(p.rng.Uint64()>>11) / (1 << 53)
		p.at += -math.Log1p(-u)
		p.next++
	}
	return p.Rate.inverse(p.at)
}

// newPacer returns the pacer of an open phase, given by its place in the plan.
func newPacer(p Plan, phase int) Pacer {
	ph, seed := p.Phases[phase], p.Seed+uint64(phase)
	ramp := RampPacer{From: ph.Load.Rate, To: ph.Load.Rate, Over: time.Second}
	if ph.Load.RateEnd > 0 {
		ramp.To, ramp.Over = ph.Load.RateEnd, ph.Duration
	}
	switch {
	case ph.Load.Arrival == ArrivalPoisson:
		return &PoissonPacer{Rate: ramp, Seed: seed}
	case ph.Load.RateEnd > 0:
		return ramp
	}
	return ConstantPacer{Rate: ph.Load.Rate}
}
