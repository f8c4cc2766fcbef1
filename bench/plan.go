package bench

import (
	"fmt"
	"math"

	"github.com/etcdbench/etcdbench/results"
)

// queueSeconds is the default length of the queue of an open loop, in seconds of arrivals at
// its rate.
const queueSeconds = 10

// The bounds of a plan. They prevent a mistyped value from exhausting the machine.
const (
	maxClients = 100_000
	maxQueue   = 10_000_000
	maxRate    = 10_000_000
)

// ValidatePlan returns an error if a plan is invalid. The error names the plan's field.
func ValidatePlan(p Plan) error {
	switch {
	case p.Clients < 1 || p.Clients > maxClients:
		return fmt.Errorf("clients must be between 1 and %d, not %d", maxClients, p.Clients)
	case p.Timeout <= 0:
		return fmt.Errorf("timeout must be positive, not %v", p.Timeout)
	case p.Drain < 0:
		return fmt.Errorf("drain must not be negative, but is %v", p.Drain)
	case p.QueueLimit < 0 || p.QueueLimit > maxQueue:
		return fmt.Errorf("queue limit must be between 0 and %d, not %d", maxQueue, p.QueueLimit)
	case p.Target < 0 || math.IsNaN(p.Target) || math.IsInf(p.Target, 0):
		return fmt.Errorf("target must not be negative, but is %v", p.Target)
	case len(p.Phases) == 0:
		return fmt.Errorf("the plan has no phases")
	case len(p.Phases) > results.MaxPhases:
		return fmt.Errorf("%d phases are more than the %d of a plan", len(p.Phases), results.MaxPhases)
	}
	names := map[string]bool{}
	for _, ph := range p.Phases {
		if names[ph.Name] {
			return fmt.Errorf("phase %q: the name is used twice", ph.Name)
		}
		names[ph.Name] = true
		if err := ValidatePhase(ph); err != nil {
			return fmt.Errorf("phase %q: %w", ph.Name, err)
		}
	}
	return nil
}

// ValidatePhase returns an error if one phase is invalid. The error names the phase's field.
func ValidatePhase(ph PlanPhase) error {
	l := ph.Load
	switch {
	case ph.Name == "" || ph.Name == PhasePopulate || ph.Name == PhaseDrain:
		return fmt.Errorf("the name is empty or reserved")
	case ph.Duration < 0:
		return fmt.Errorf("duration must be positive, not %v", ph.Duration)
	case ph.Duration == 0 && ph.Total == 0:
		return fmt.Errorf("it has no end: set a duration or a total")
	case ph.Duration > 0 && ph.Total > 0:
		return fmt.Errorf("duration and total cannot be combined")
	case !(l.Rate >= 0 && l.Rate <= maxRate) || !(l.RateEnd >= 0 && l.RateEnd <= maxRate):
		return fmt.Errorf("rate must be between 0 and %d per second, not %v", maxRate, l.Rate)
	case l.RateEnd > 0 && ph.Duration == 0:
		return fmt.Errorf("a ramp needs a duration")
	case l.Arrival != "" && l.Arrival != ArrivalConstant && l.Arrival != ArrivalPoisson:
		return fmt.Errorf("arrival must be %s or %s, not %q", ArrivalConstant, ArrivalPoisson, l.Arrival)
	}
	return nil
}

// queueLimit returns the number of arrivals of a share that may wait in an open phase.
func queueLimit(p Plan, s Share) int {
	count := max(1, s.Count)
	if p.QueueLimit > 0 {
		return (p.QueueLimit + count - 1) / count
	}
	rate := 0.0
	for _, ph := range p.Phases {
		rate = max(rate, ph.Load.Rate, ph.Load.RateEnd)
	}
	return int(min(max(rate*queueSeconds/float64(count), 1), maxQueue))
}
