package profiles

import (
	"bytes"
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/pprof/profile"

	"github.com/etcdbench/etcdbench/results"
)

// maxTop is the largest number of functions of each profile in a result.
const maxTop = 10

// assemble makes profiles of the shots: it merges parts, and subtracts the first of two moments
// from the second.
func (c *Capture) assemble() []results.Profile {
	type group struct {
		source, kind, phase string
		anomaly             int
	}
	var order []group
	shots := map[group][]shot{}
	for _, sh := range c.shots {
		g := group{sh.source, sh.kind, sh.phase, sh.anomaly}
		if shots[g] == nil {
			order = append(order, g)
		}
		shots[g] = append(shots[g], sh)
	}
	var list []results.Profile
	together := map[group][]*profile.Profile{}
	for _, g := range order {
		entry, whole := c.one(shots[g])
		list = append(list, entry)
		if whole != nil && g.source != results.GeneratorSource && g.anomaly == 0 {
			all := group{kind: g.kind, phase: g.phase}
			together[all] = append(together[all], whole)
		}
	}
	phases := phasesOf(list)
	for _, ph := range phases {
		for _, k := range c.Kinds {
			if entry, ok := c.all(k, ph, list, together[group{kind: k, phase: ph}]); ok {
				list = append(list, entry)
			}
			list = append(list, c.notTaken(k, ph, list)...)
		}
	}
	// As they were asked for; all members first, then each, the generator last.
	slices.SortStableFunc(list, func(a, b results.Profile) int {
		last := func(p results.Profile) int {
			if p.Source == results.GeneratorSource {
				return 1
			}
			return 0
		}
		return cmp.Or(
			cmp.Compare(a.Anomaly, b.Anomaly), cmp.Compare(slices.Index(phases, a.Phase), slices.Index(phases, b.Phase)),
			cmp.Compare(slices.Index(c.Kinds, a.Kind), slices.Index(c.Kinds, b.Kind)),
			cmp.Compare(last(a), last(b)), cmp.Compare(a.Source, b.Source),
		)
	})
	return list
}

func phasesOf(list []results.Profile) []string {
	var names []string
	for _, p := range list {
		if !slices.Contains(names, p.Phase) {
			names = append(names, p.Phase)
		}
	}
	return names
}

// notTaken returns entries for requested captures that have not begun.
func (c *Capture) notTaken(kind, phase string, list []results.Profile) []results.Profile {
	var missing []results.Profile
	for _, s := range c.Sources {
		if !slices.ContainsFunc(list, func(p results.Profile) bool {
			return p.Source == s.Name() && p.Kind == kind && p.Phase == phase && p.Anomaly == 0
		}) {
			missing = append(missing, results.Profile{
				Source: s.Name(), Kind: kind, Phase: phase, Missing: "the phase was over before a part of it was complete",
			})
		}
	}
	return missing
}

// one makes the entry of one source's captures of one kind, and their merged
// profile where there is one.
func (c *Capture) one(shots []shot) (results.Profile, *profile.Profile) {
	first, last := shots[0], shots[len(shots)-1]
	e := results.Profile{
		Source: first.source, Kind: first.kind, Phase: first.phase, Anomaly: first.anomaly,
		Start: first.from, Length: last.to - first.from,
	}
	var failed []error
	for _, sh := range shots {
		failed = append(failed, sh.err)
	}
	taken := slices.DeleteFunc(slices.Clone(shots), func(sh shot) bool { return sh.err != nil })
	if err := errors.Join(failed...); err != nil {
		e.Missing = failed[slices.IndexFunc(failed, func(err error) bool { return err != nil })].Error()
	}
	if len(taken) == 0 {
		return e, nil
	}
	e.Operations = c.completed(e.Start, e.Start+e.Length)
	if e.Kind == CPU {
		e.Length, e.Operations = 0, 0
		for _, sh := range taken {
			e.Length += sh.to - sh.from
			e.Operations += c.completed(sh.from, sh.to)
		}
	}
	final := c.fileName(first, "")
	if e.Kind == Trace {
		if err := os.Rename(c.path(taken[0].file), c.path(final)); err != nil {
			e.Missing = err.Error()
		} else {
			e.File = final
		}
		return e, nil
	}
	whole, err := c.join(taken, &e)
	if err == nil {
		err = c.write(final, whole)
	}
	if err != nil {
		e.Missing = err.Error() // what was taken stays as it is
		return e, nil
	}
	e.File = final
	for _, sh := range taken {
		_ = os.Remove(c.path(sh.file))
	}
	if err := describe(&e, whole); err != nil {
		e.Missing = err.Error()
	}
	return e, whole
}

func (c *Capture) path(file string) string { return filepath.Join(c.RunDir, filepath.FromSlash(file)) }

// join merges the parts of a profile, or subtracts the earlier moment from the
// later one.
func (c *Capture) join(shots []shot, e *results.Profile) (*profile.Profile, error) {
	var list []*profile.Profile
	for _, sh := range shots {
		p, err := read(c.path(sh.file))
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	k, _ := findKind(e.Kind)
	if shots[0].role == rolePart || len(list) == 1 && !k.sums {
		return profile.Merge(list)
	}
	if len(list) < 2 {
		return nil, errors.New("only one of two moments was captured")
	}
	before, now := list[0], list[len(list)-1]
	if k.sums {
		return subtract(now, before)
	}
	a, err := k.total(before)
	if err != nil {
		return nil, err
	}
	b, err := k.total(now)
	e.Growth = b - a
	e.Start, e.Length = shots[len(shots)-1].from, shots[len(shots)-1].to-shots[len(shots)-1].from
	return now, err
}

func (c *Capture) write(file string, p *profile.Profile) error {
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return err
	}
	return os.WriteFile(c.path(file), b.Bytes(), 0o644)
}

// describe sets a profile's total and its first functions.
func describe(e *results.Profile, p *profile.Profile) error {
	k, _ := findKind(e.Kind)
	e.Unit = k.unit
	var err error
	if e.Total, err = k.total(p); err != nil {
		return err
	}
	functions, err := k.functions(p)
	if err != nil {
		return err
	}
	functions = slices.DeleteFunc(functions, func(f results.ProfileFunction) bool { return f.Flat == 0 })
	e.Top = functions[:min(maxTop, len(functions))]
	if e.Total == 0 {
		e.Missing = k.empty
		if e.Source == results.GeneratorSource && e.Kind == Block {
			e.Missing = "empty: the generator does not turn block profiling on, which would slow it down"
		}
	}
	return nil
}

// all makes the entry of all members together.
func (c *Capture) all(kind, phase string, list []results.Profile, members []*profile.Profile) (results.Profile, bool) {
	e := results.Profile{Kind: kind, Phase: phase}
	if len(members) == 0 {
		return e, false
	}
	var from, to time.Duration
	for _, p := range list {
		if p.Kind != kind || p.Phase != phase || p.Anomaly > 0 || p.Source == results.GeneratorSource || p.Source == "" {
			continue
		}
		if p.File == "" {
			e.Missing = "without " + p.Source
			continue
		}
		if to == 0 || p.Start < from {
			from = p.Start
		}
		to = max(to, p.Start+p.Length)
		e.Operations = max(e.Operations, p.Operations)
		e.Growth += p.Growth
	}
	e.Start, e.Length = from, to-from
	merged, err := profile.Merge(members)
	if err != nil {
		return e, false
	}
	missing := e.Missing
	if err := describe(&e, merged); err != nil {
		return e, false
	}
	if missing != "" {
		e.Missing = missing
	}
	return e, true
}
