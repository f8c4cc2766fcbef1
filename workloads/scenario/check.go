package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
	"github.com/etcdbench/etcdbench/workloads"
)

// at adds the file and the line to an error, if they are known.
func (s *Scenario) at(line int, err error) error {
	switch {
	case err == nil || s.file == "":
		return err
	case line == 0:
		return fmt.Errorf("%s: %w", s.file, err)
	}
	return fmt.Errorf("%s:%d: %w", s.file, line, err)
}

// maxMix is the largest number of workloads in a mix.
const maxMix = 100

// validate makes the checks that do not need the run's prefix.
func (s *Scenario) validate() error {
	if len(s.Mix) == 0 {
		return s.at(0, errors.New("the mix is empty: name a workload"))
	}
	if len(s.Mix) > maxMix {
		return s.at(s.Mix[maxMix].line, fmt.Errorf("the mix has more than %d entries", maxMix))
	}
	if s.Clients < 0 || s.Conns < 0 || s.Queue < 0 || s.Target < 0 || math.IsNaN(s.Target) {
		return s.at(0, errors.New("clients, conns, queue and target must not be negative"))
	}
	if err := s.validateMix(); err != nil {
		return err
	}
	if err := s.validatePhases(); err != nil {
		return err
	}
	for i := range s.Population {
		p := &s.Population[i]
		p.KeySize = cmp.Or(p.KeySize, 128)
		if p.Keys < 1 {
			return s.at(p.line, fmt.Errorf("keys must be at least 1, not %d", p.Keys))
		}
		if err := checkOwnPrefix(p.Prefix); err != nil {
			return s.at(p.line, err)
		}
	}
	for _, d := range s.Disturbances {
		if err := workloads.CheckDisturbance(d.plan()); err != nil {
			return s.at(d.line, err)
		}
	}
	for _, t := range s.Thresholds {
		if _, err := judge.ParseThreshold(t); err != nil {
			return s.at(0, err)
		}
	}
	return nil
}

func (s *Scenario) validateMix() error {
	rates, weight := false, 0.0
	names := map[string]bool{}
	for i := range s.Mix {
		e := &s.Mix[i]
		e.Name = cmp.Or(e.Name, e.Workload)
		entry, err := workloads.Find(e.Workload)
		switch {
		case err != nil:
			return s.at(e.line, err)
		case !printable(e.Name) || strings.ContainsAny(e.Name, ". /"):
			return s.at(e.line, fmt.Errorf("%q is not a name for an entry: use letters, digits and hyphens", e.Name))
		case names[e.Name]:
			return s.at(e.line, fmt.Errorf("two entries of the mix have the name %q: use different names", e.Name))
		case e.Weight != nil && e.Rate != nil:
			return s.at(e.line, fmt.Errorf("%s: weight and rate cannot be combined", e.Name))
		case e.Weight != nil && !validShare(*e.Weight), e.Rate != nil && !validShare(*e.Rate):
			return s.at(e.line, fmt.Errorf("%s: weight or rate must be a number, not negative", e.Name))
		}
		names[e.Name] = true
		if e.share() == 0 && !entry.Active {
			return s.at(e.line, fmt.Errorf("%s: %s has no effect without a share of the operations", e.Name, e.Workload))
		}
		rates = rates || e.Rate != nil
		weight += e.share()
		if e.Prefix != nil && len(s.Mix) > 1 {
			if err := checkOwnPrefix(*e.Prefix); err != nil {
				return s.at(e.line, err)
			}
		}
		if err := s.checkParams(e, entry); err != nil {
			return err
		}
	}
	if weight <= 0 || math.IsInf(weight, 0) {
		return s.at(s.Mix[0].line, fmt.Errorf("the weights of the mix sum to %v: at least one must be positive", weight))
	}
	for _, e := range s.Mix {
		if rates && e.Rate == nil && (e.Weight == nil || *e.Weight > 0) {
			return s.at(e.line, fmt.Errorf("%s has no rate, but others have: give a rate to all, or weights to all", e.Name))
		}
	}
	return nil
}

func validShare(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }

// checkParams sets each parameter on a definition of the workload.
func (s *Scenario) checkParams(e *Entry, w workloads.Entry) error {
	_, _, err := w.Configure(e.Params.texts())
	if err == nil {
		return nil
	}
	line := e.line
	var param *workloads.ParamError
	if errors.As(err, &param) {
		line = cmp.Or(e.Params[param.Name].line, line)
	}
	return s.at(line, fmt.Errorf("%s: %w", e.Name, err))
}

func (s *Scenario) validatePhases() error {
	names := map[string]bool{}
	for i := range s.Phases {
		p := &s.Phases[i]
		if p.Rate == 0 && p.RateEnd == 0 && !p.Closed {
			p.Rate = s.MixRate()
		}
		switch {
		case p.Name == "":
			return s.at(p.line, errors.New("a phase needs a name"))
		case !printable(p.Name):
			return s.at(p.line, fmt.Errorf("%q is not a name for a phase: use letters, digits and hyphens", results.Clip(p.Name)))
		case names[p.Name]:
			return s.at(p.line, fmt.Errorf("two phases have the name %q", p.Name))
		case p.Closed && (p.Rate > 0 || p.RateEnd > 0):
			return s.at(p.line, fmt.Errorf("phase %s: closed and rate cannot be combined", p.Name))
		case p.Arrival != "" && p.Rate == 0 && p.RateEnd == 0:
			return s.at(p.line, fmt.Errorf("phase %s: arrival is for an open loop: it needs a rate", p.Name))
		}
		names[p.Name] = true
		if err := bench.ValidatePhase(p.plan()); err != nil {
			return s.at(p.line, err)
		}
	}
	if len(s.Phases) > 0 && !slices.ContainsFunc(s.Phases, func(p Phase) bool { return !p.Warmup }) {
		return s.at(s.Phases[0].line, errors.New("every phase is a warm-up: at least one must be measured"))
	}
	return nil
}

// checkOwnPrefix returns an error for an invalid prefix below the run's own prefix.
func checkOwnPrefix(prefix string) error {
	switch {
	case prefix == "":
		return errors.New("the prefix is empty and contains all other prefixes: give one")
	case len(prefix) > 512 || strings.Contains(prefix, "\x00"):
		return fmt.Errorf("prefix %.40q is too long or holds a zero byte", prefix)
	}
	return nil
}

// checkShared checks that entries with the same prefix have the same keys, and that no prefix
// contains another.
func (s *Scenario) checkShared(list []results.PlanEntry) error {
	for i, a := range list {
		for _, b := range list[:i] {
			switch {
			case a.Prefix == b.Prefix && (differ(a, b, "key-size") || differ(a, b, "key-space-size")):
				return s.at(s.Mix[i].line,
					fmt.Errorf("%s and %s share a prefix: give them the same key-size and key-space-size", b.Name, a.Name))
			case a.Prefix != b.Prefix && (strings.HasPrefix(a.Prefix, b.Prefix) || strings.HasPrefix(b.Prefix, a.Prefix)):
				return s.at(s.Mix[i].line, fmt.Errorf("the prefix of %s contains that of %s: choose another one", b.Name, a.Name))
			}
		}
	}
	return nil
}

// differ reports whether both entries have a parameter, with different values.
func differ(a, b results.PlanEntry, param string) bool {
	x, y := a.Params[param], b.Params[param]
	return x != "" && y != "" && x != y
}

// ReplaceThresholds replaces the thresholds by those of a flag. Errors about these name the
// flag, such as "--threshold", and not the file of the scenario.
func (s *Scenario) ReplaceThresholds(flag string, list []string) { s.Thresholds, s.flag = list, flag }

// atThreshold adds the origin of the threshold to an error about it.
func (s *Scenario) atThreshold(err error) error {
	if s.flag != "" {
		return fmt.Errorf("%s %s", s.flag, strings.TrimPrefix(err.Error(), "threshold "))
	}
	return s.at(0, err)
}

// Operations returns the names of the operations of the mix. It returns none if the mix needs
// the prefix of a run.
func (s *Scenario) Operations() (names []string, err error) {
	entries, err := s.PlanEntries("/-/")
	if err != nil {
		return nil, nil // another prefix may be valid
	}
	parts, err := workloads.Parts(entries)
	if err != nil {
		return nil, err
	}
	w, err := workloads.Compose(workloads.Composition{Name: s.Name, Parts: parts}, workloads.Target{})
	if err != nil {
		return nil, err
	}
	for _, k := range w.Kinds() {
		names = append(names, k.Name)
	}
	return names, nil
}

// CheckThresholds returns an error if a threshold names an operation that the mix does not
// have.
func (s *Scenario) CheckThresholds() error {
	names, err := s.Operations()
	if err != nil {
		return err
	}
	if n := len(s.Thresholds); n > results.MaxThresholds {
		return s.atThreshold(fmt.Errorf("thresholds: a run has at most %d, not %d", results.MaxThresholds, n))
	}
	for _, text := range s.Thresholds {
		t, err := judge.ParseThreshold(text)
		if err == nil && t.Op != "" && len(names) > 0 && !slices.Contains(names, t.Op) {
			err = fmt.Errorf("threshold %q: no operation %q%s: use one of %s", text, t.Op, results.Nearest(t.Op, names),
				strings.Join(names, ", "))
		}
		if err != nil {
			return s.atThreshold(err)
		}
	}
	return nil
}

// maxName is the largest length of the names of scenarios, phases and entries.
const maxName = 100

// printable reports whether a name can be shown on a terminal as it is.
func printable(name string) bool {
	return name != "" && len(name) <= maxName && strings.IndexFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
