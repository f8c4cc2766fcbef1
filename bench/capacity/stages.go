package capacity

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/etcdbench/etcdbench/results"
)

// bracket raises the rate until it is not carried.
func (s *search) bracket(ctx context.Context) error {
	for rate := s.Start; math.IsInf(s.notLow, 1) && s.limit == ""; rate *= s.Factor {
		if s.Most > 0 {
			rate = min(rate, s.Most)
		}
		s.rising = s.Most == 0 || rate < s.Most
		carried, err := s.probe(ctx, results.StageBracket, rate, s.Length)
		if err != nil {
			return err
		}
		if carried && s.Most > 0 && rate >= s.Most {
			s.limit, s.out.Most = fmt.Sprintf("the load ends at %.4g, which was carried", s.Most), s.Most
			return nil
		}
	}
	s.rising = false
	// Where it was too much before there were operations enough, lower rates take
	// longer probes.
	for _, rate := range slices.Backward(s.few) {
		if s.low > 0 || s.lastProbe().Verdict == results.TooFew {
			break
		}
		if _, err := s.probe(ctx, results.StageBracket, rate, 2*s.Length); err != nil {
			return err
		}
	}
	last := s.lastProbe()
	switch {
	case s.low > 0 || s.limit != "":
		return nil
	case last.Verdict == results.Overloaded:
		return fmt.Errorf("%w: not even %.4g%s: %s", ErrHopeless, last.Rate, s.Unit, last.Reason)
	}
	return fmt.Errorf("%w: at %.4g%s: %s", ErrUnclear, last.Rate, s.Unit, last.Reason)
}

// lastProbe is the one that was made last.
func (s *search) lastProbe() results.CapacityProbe { return s.out.Probes[len(s.out.Probes)-1] }

// bisect halves the bracket on a logarithmic scale.
func (s *search) bisect(ctx context.Context) error {
	for range maxSteps {
		if math.IsInf(s.notLow, 1) || s.notLow <= s.low*(1+s.Precision) {
			return nil
		}
		middle := s.value(math.Sqrt(s.low * s.notLow))
		if middle <= s.low || middle >= s.notLow {
			return nil
		}
		if _, err := s.probe(ctx, results.StageBisect, middle, s.Length); err != nil {
			return err
		}
	}
	return nil
}

// value is a rate as it can be had.
func (s *search) value(rate float64) float64 {
	if s.Whole {
		return math.Round(rate)
	}
	return rate
}

// least is the smallest value, and step.
func (s *search) least() float64 {
	if s.Whole {
		return 1
	}
	return 0
}

// soak confirms the maximum over a longer time, and steps down until it holds.
func (s *search) soak(ctx context.Context) error {
	for s.Soak > 0 && s.low > s.Start/2 {
		rate := s.low
		carried, err := s.probe(ctx, results.StageSoak, rate, s.Soak)
		if err != nil || carried {
			return err
		}
		s.notLow = rate
		s.low = s.value(rate / (1 + s.Precision))
	}
	return nil
}

// beyond looks above the maximum for a rate that is clearly not carried. Where one
// is carried after all, it is the maximum, and has its own soak; but only once, as
// near the limit chance decides.
func (s *search) beyond(ctx context.Context) error {
	if s.limit != "" {
		return nil
	}
	raised := false
	for factor, step := beyondFirst, s.Step; factor < beyondMost; factor, step = factor+step, step*beyondGrowth {
		soaked := s.low
		if s.Most > 0 && s.low*factor > s.Most {
			break
		}
		if _, err := s.probe(ctx, results.StageBeyond, max(s.value(s.low*factor), s.low+s.least()), s.Length); err != nil {
			return err
		}
		switch s.lastProbe().Verdict {
		case results.Overloaded, results.GeneratorLimit:
			return nil
		case results.Sustained:
			if raised {
				s.low = soaked
				continue
			}
			raised = true
			if err := s.soak(ctx); err != nil {
				return err
			}
			step = s.Step / beyondGrowth // begin anew
			factor = beyondFirst - step
		}
	}
	s.limit = "no rate up to 30 % above the maximum was clearly too much: probe longer"
	return nil
}

// memberDown looks for a rate that is carried with a follower killed.
func (s *search) memberDown(ctx context.Context) error {
	if !s.MemberDown || s.low == 0 {
		return nil
	}
	low, notLow, limit := s.low, s.notLow, s.limit
	defer func() { s.low, s.notLow, s.limit, s.down = low, notLow, limit, false }()
	s.low, s.notLow, s.down = 0, math.Inf(1), true
	found := &results.CapacityRange{}
	for rate := low; rate >= downLeast*low && found.Low == 0; rate = s.value(rate * downFactor) {
		carried, err := s.probe(ctx, results.StageDown, rate, s.Length)
		if err != nil {
			return err
		}
		switch {
		case carried:
			found.Low = rate
		case s.lastProbe().Verdict == results.Overloaded:
			found.High = rate
		}
	}
	s.out.MemberDown = found
	return nil
}

// sweep measures the curve, in an order that is drawn.
func (s *search) sweep(ctx context.Context) error {
	best := s.low
	if best == 0 {
		return nil
	}
	for _, i := range rand.New(rand.NewPCG(s.Seed, 2)).Perm(len(s.Sweep)) {
		low, notLow, limit := s.low, s.notLow, s.limit
		if _, err := s.probe(ctx, results.StageSweep, max(s.value(best*s.Sweep[i]), s.least()), s.Length); err != nil {
			return err
		}
		s.low, s.notLow, s.limit = low, notLow, limit // a description, not a search
	}
	return nil
}
