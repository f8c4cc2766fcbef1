package capacity

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// bracket raises the rate until it fails. If the first rate fails, bracket lowers it until one
// is sustained.
func (s *search) bracket(ctx context.Context) error {
	for rate := s.Start; math.IsInf(s.notLow, 1) && s.limit == ""; rate *= s.Factor {
		if s.Most > 0 {
			rate = min(rate, s.Most)
		}
		s.rising = s.Most == 0 || rate < s.Most
		sustained, err := s.probe(ctx, results.StageBracket, rate, s.Length)
		if err != nil {
			return err
		}
		if sustained && s.Most > 0 && rate >= s.Most {
			s.loadEnds()
			return nil
		}
	}
	s.rising = false
	// If a rate failed before there were enough operations, lower rates need longer probes.
	for _, rate := range slices.Backward(s.few) {
		if s.low > 0 || s.lastProbe().Verdict == results.TooFew {
			break
		}
		if _, err := s.probe(ctx, results.StageBracket, rate, 2*s.Length); err != nil {
			return err
		}
	}
	if err := s.descend(ctx); err != nil || s.low > 0 || s.limit != "" && !judge.NothingSustained(s.out) {
		return err
	}
	return s.noResult("")
}

// loadEnds records that the largest possible rate was sustained.
func (s *search) loadEnds() {
	s.limit, s.out.Most = fmt.Sprintf("the largest possible value, %s, was sustained", results.Amount(s.Most)), s.Most
}

// descend lowers the rate until it is sustained. While only the generator was too slow, there
// is no result for the cluster: these rates count separately.
func (s *search) descend(ctx context.Context) error {
	defer func() { s.late = false }()
	for late, known := 0, 0; known < maxDescents; {
		last := s.lastProbe()
		rate := max(s.value(s.below(last)), s.least())
		if s.low > 0 || last.Verdict == results.TooFew || rate >= last.Rate {
			return nil
		}
		if s.late = s.onlyLate(); !s.late {
			known++
		} else if late++; late > maxDescents {
			return nil
		}
		if _, err := s.probe(ctx, results.StageBracket, rate, s.Length); err != nil {
			return err
		}
	}
	return nil
}

// onlyLate reports whether the generator was the limit of every probe.
func (s *search) onlyLate() bool {
	return !slices.ContainsFunc(s.out.Probes, func(p results.CapacityProbe) bool { return p.Verdict != results.GeneratorLimit })
}

// below returns the next rate below one that failed: lower by the search's factor, or the rate
// that the cluster achieved if that is less.
func (s *search) below(p results.CapacityProbe) float64 {
	next := p.Rate / s.Factor
	if !s.Whole && p.Verdict == results.Overloaded && p.Achieved > 0 && p.Achieved < next {
		next = max(p.Achieved, p.Rate/math.Pow(s.Factor, jumpFactors))
	}
	return next
}

// noResult returns the error of a search that found no sustained rate. over names the run that
// failed, such as a soak.
func (s *search) noResult(over string) error {
	last := s.lastProbe()
	if !judge.NothingSustained(s.out) {
		return fmt.Errorf("%w: at %s%s%s: %s", ErrUnclear, results.Amount(last.Rate), s.Unit, over, last.Reason)
	}
	s.limit = "" // the limit of lower rates, but higher rates have decided
	for _, p := range slices.Backward(s.out.Probes) {
		if last = p; p.Verdict == results.Overloaded {
			break
		}
	}
	return fmt.Errorf("%w: not even %s%s%s: %s%s", ErrNothingSustained, results.Amount(last.Rate), s.Unit, over, last.Reason, s.disturbed())
}

// disturbed returns a hint if disturbances may have caused an outage in each probe. Such an
// outage has the same length at any rate.
func (s *search) disturbed() string {
	if s.last == nil {
		return ""
	}
	i := slices.IndexFunc(s.last.Plan.Disturbances, judge.MayElect)
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("; each probe had the disturbance %s: if its outage is longer than 1 %% of a probe, no rate is sustained: "+
		"use a longer --probe-duration", s.last.Plan.Disturbances[i].Kind)
}

// lastProbe returns the last probe.
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

// value returns the nearest possible rate.
func (s *search) value(rate float64) float64 {
	if s.Whole {
		return math.Round(rate)
	}
	return rate
}

// least returns the smallest value, and step.
func (s *search) least() float64 {
	if s.Whole {
		return 1
	}
	return 0
}

// soak confirms the maximum with a longer run. If that fails, lower rates have their own probe
// and soak: only a rate with both is the maximum.
func (s *search) soak(ctx context.Context) error {
	if s.Soak == 0 || s.low == 0 {
		return nil
	}
	rate, probed := s.low, true
	for step := 1; step <= maxSoaks; step++ {
		sustained, err := s.confirm(ctx, rate, probed)
		if err != nil || sustained {
			return err
		}
		lower := min(s.value(rate/math.Pow(1+s.Precision, float64(step))), rate-s.least())
		if lower < s.least() || lower <= 0 {
			break
		}
		rate, probed = lower, false
	}
	if s.limit != "" {
		return nil
	}
	return s.noResult(fmt.Sprintf(" over a soak of %v", s.Soak))
}

// confirm makes a probe at a rate, unless there is one, and a soak. The rate is the maximum
// only if both are sustained; until then, and otherwise, there is no maximum.
func (s *search) confirm(ctx context.Context, rate float64, probed bool) (sustained bool, err error) {
	sustained = probed
	s.low, s.best, s.bestRate = 0, nil, 0
	if !probed {
		sustained, err = s.probe(ctx, results.StageBisect, rate, s.Length)
	}
	if err == nil && sustained {
		sustained, err = s.probe(ctx, results.StageSoak, rate, s.Soak)
	}
	if err != nil || !sustained {
		s.low, s.best, s.bestRate = 0, nil, 0
		if s.out.Most > 0 { // the load ends where the soak was not sustained
			s.out.Most, s.limit = 0, ""
		}
	}
	return sustained && err == nil, err
}

// hasSoak reports whether a soak was sustained, or failed, at a rate that the test accepts.
func (s *search) hasSoak(sustained bool, of func(rate float64) bool) bool {
	return slices.ContainsFunc(s.out.Probes, func(p results.CapacityProbe) bool {
		return p.Stage == results.StageSoak && of(p.Rate) && (p.Verdict == results.Sustained) == sustained
	})
}

// beyond searches above the maximum for a rate that clearly fails. If there is none and the
// highest rate is sustained, the maximum ended at a failure by chance, and the search
// continues from there.
func (s *search) beyond(ctx context.Context) error {
	for range maxLooks {
		higher, err := s.look(ctx)
		if err != nil || !higher {
			return err
		}
	}
	return nil
}

// look makes the probes of one series above the maximum. If a rate and its soak are sustained,
// it becomes the maximum, but only once, because near the limit chance decides. It reports
// whether the highest rate of the series became the maximum.
func (s *search) look(ctx context.Context) (higher bool, err error) {
	if s.limit != "" {
		return false, nil
	}
	// After a failed soak, a sustained probe of the same rate has no information.
	soakFailed := s.hasSoak(false, func(rate float64) bool { return rate > s.low })
	raised := soakFailed
	tried, highest := s.low, s.found()
	for factor, step := beyondFirst, s.Step; factor < beyondMost; factor, step = factor+step, step*beyondGrowth {
		confirmed := s.found()
		rate := max(s.value(s.low*factor), tried+s.least()) // whole numbers may be farther apart
		if s.Most > 0 && rate > s.Most {
			break
		}
		tried = rate
		sustained, err := s.probe(ctx, results.StageBeyond, rate, s.Length)
		highest = s.found()
		switch {
		case err != nil:
			return false, err
		case s.lastProbe().Verdict == results.Overloaded, s.lastProbe().Verdict == results.GeneratorLimit:
			return false, nil
		case !sustained:
			continue
		case raised:
			s.restore(confirmed)
			continue
		}
		raised = true
		if sustained, err = s.raise(ctx, confirmed); err != nil {
			return false, err
		}
		if sustained {
			step = s.Step / beyondGrowth // begin anew
			factor = beyondFirst - step
		} else {
			soakFailed = true
		}
	}
	if !soakFailed && highest.low > s.low && highest.low == tried {
		confirmed := s.found()
		s.restore(highest)
		if higher, err = s.raise(ctx, confirmed); err != nil {
			return false, err
		}
	}
	switch {
	case s.Most > 0 && s.low >= s.Most:
		s.loadEnds()
	case !higher:
		s.limit = "no rate up to 30 % above the maximum clearly failed: use a longer --probe-duration"
	}
	return higher, nil
}

// raise confirms the maximum by a soak, if there is one, after a probe that sustained it.
// Otherwise the maximum stays the confirmed one.
func (s *search) raise(ctx context.Context, confirmed found) (sustained bool, err error) {
	if s.Soak == 0 {
		return true, nil
	}
	if sustained, err = s.confirm(ctx, s.low, true); err != nil || !sustained {
		s.restore(confirmed)
	}
	return sustained, err
}

// memberDown searches for a rate that is sustained with a follower killed.
func (s *search) memberDown(ctx context.Context) error {
	if !s.MemberDown || s.low == 0 {
		return nil
	}
	before := s.found()
	defer func() { s.restore(before); s.down = false }()
	s.low, s.notLow, s.down = 0, math.Inf(1), true
	found := &results.CapacityRange{}
	for rate := before.low; rate >= downLeast*before.low && found.Low == 0; rate = s.value(rate * downFactor) {
		sustained, err := s.probe(ctx, results.StageDown, rate, s.Length)
		if err != nil {
			return err
		}
		switch {
		case sustained:
			found.Low = rate
		case s.lastProbe().Verdict == results.Overloaded:
			found.High = rate
		}
	}
	s.out.MemberDown = found
	return nil
}

// sweep measures the curve, in random order.
func (s *search) sweep(ctx context.Context) error {
	best := s.low
	if best == 0 {
		return nil
	}
	for _, i := range rand.New(rand.NewPCG(s.Seed, 2)).Perm(len(s.Sweep)) {
		before := s.found()
		if _, err := s.probe(ctx, results.StageSweep, max(s.value(best*s.Sweep[i]), s.least()), s.Length); err != nil {
			return err
		}
		s.restore(before) // a description, not part of the search
	}
	return nil
}
