package profiles

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/pprof/profile"

	"github.com/etcdbench/etcdbench/results"
)

// maxFile bounds a stored capture.
const maxFile = 64 << 20

// read reads one stored capture.
func read(path string) (*profile.Profile, error) {
	f, err := results.OpenFile(path)
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("read profile %s: larger than %d MiB", path, maxFile>>20)
	}
	p, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("read profile %s: %w", path, err)
	}
	return p, nil
}

// maxInflated bounds a profile before its compression.
const maxInflated = 128 << 20

// parse reads a profile, compressed or not. What a few bytes inflate to is bounded before it
// is parsed.
func parse(data []byte) (*profile.Profile, error) {
	if isGzip(data) {
		inflated, err := inflate(data)
		if err != nil {
			return nil, fmt.Errorf("not a pprof profile: %w", err)
		}
		data = inflated
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("not a pprof profile: %w", err)
	}
	return p, nil
}

func isGzip(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }

func inflate(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	inflated, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	switch {
	case err != nil:
		return nil, err
	case len(inflated) > maxInflated:
		return nil, fmt.Errorf("more than %d MiB when it is inflated", maxInflated>>20)
	case isGzip(inflated):
		return nil, errors.New("compressed twice")
	}
	return inflated, nil
}

// value returns the index of the value by which a kind is ranked.
func (k kind) value(p *profile.Profile) (int, error) {
	i := slices.IndexFunc(p.SampleType, func(t *profile.ValueType) bool { return t.Type == k.sample })
	if i < 0 {
		return 0, fmt.Errorf("not a %s profile: it has no %q", k.name, k.sample)
	}
	return i, nil
}

func (k kind) total(p *profile.Profile) (sum int64, err error) {
	at, err := k.value(p)
	for _, s := range p.Sample {
		sum += s.Value[at]
	}
	return sum, err
}

// functions ranks the functions of a profile by their own part.
func (k kind) functions(p *profile.Profile) ([]results.ProfileFunction, error) {
	at, err := k.value(p)
	if err != nil {
		return nil, err
	}
	flat, cum := map[string]int64{}, map[string]int64{}
	for _, s := range p.Sample {
		seen := map[string]bool{}
		own := ""
		for name := range frames(s) {
			if own == "" && !(k.skip && waits(name)) {
				own = name
			}
			if !seen[name] {
				seen[name] = true
				cum[name] += s.Value[at]
			}
		}
		if own != "" {
			flat[own] += s.Value[at]
		}
	}
	var list []results.ProfileFunction
	for name, c := range cum {
		list = append(list, results.ProfileFunction{Name: name, Flat: flat[name], Cum: c})
	}
	slices.SortFunc(list, func(a, b results.ProfileFunction) int {
		return cmp.Or(cmp.Compare(abs(b.Flat), abs(a.Flat)), cmp.Compare(abs(b.Cum), abs(a.Cum)), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// frames returns the functions of a sample, innermost first.
func frames(s *profile.Sample) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, l := range s.Location {
			for _, line := range l.Line { // inlined ones first
				name := "?"
				if line.Function != nil {
					name = line.Function.Name
				}
				if !yield(name) {
					return
				}
			}
		}
	}
}

// waits reports whether a function is one in which other functions wait.
func waits(name string) bool {
	for _, prefix := range []string{"runtime.", "sync.", "internal/"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

func abs(v int64) int64 { return max(v, -v) }

// subtract returns the difference between a profile and an earlier one of the same program.
func subtract(now, before *profile.Profile) (*profile.Profile, error) {
	before = before.Copy()
	before.Scale(-1)
	return profile.Merge([]*profile.Profile{now, before})
}

// Set is the captures of one kind in one run, of the members together or of the
// generator, with the operations that they cover.
type Set struct {
	Kind       string
	Source     string // as in [results.Profile]
	Operations uint64
	Profile    *profile.Profile
}

// ErrNone is the error of a run without captures of a kind.
var ErrNone = errors.New("no profiles of this kind")

// Load reads and merges the captures of a kind that a run has: of the generator, or, with an
// empty source, of all members.
func Load(runDir string, run *results.Run, kindName, source string) (Set, error) {
	set := Set{Kind: kindName, Source: source}
	var list []*profile.Profile
	// Operations are counted once a phase, however many members there are.
	operations := map[string]uint64{}
	for _, p := range run.Profiles {
		if p.Kind != kindName || p.Anomaly > 0 || p.File == "" || p.Source == "" ||
			(p.Source == results.GeneratorSource) != (source == results.GeneratorSource) {
			continue
		}
		if !filepath.IsLocal(p.File) {
			return set, fmt.Errorf("read profile %q: outside the run's directory", p.File)
		}
		read, err := read(filepath.Join(runDir, p.File))
		if err != nil {
			return set, err
		}
		list = append(list, read)
		operations[p.Phase] = max(operations[p.Phase], p.Operations)
	}
	if len(list) == 0 {
		return set, ErrNone
	}
	for _, n := range operations {
		set.Operations += n
	}
	merged, err := profile.Merge(list)
	if err != nil {
		return set, fmt.Errorf("merge %s profiles: %w", kindName, err)
	}
	set.Profile = merged
	return set, nil
}

// Diff is the difference of two runs, scaled to the operations of the second: not
// normalised to equal totals, so that a uniform slowdown stays visible. Samples
// of the base are negative and labelled as pprof labels them.
func Diff(base, now Set) (Set, error) {
	if base.Operations == 0 || now.Operations == 0 {
		return Set{}, errors.New("compare profiles: one covers no operations")
	}
	before := base.Profile.Copy()
	before.Scale(-float64(now.Operations) / float64(base.Operations))
	before.SetLabel("pprof::base", []string{"true"})
	merged, err := profile.Merge([]*profile.Profile{now.Profile.Copy(), before})
	if err != nil {
		return Set{}, fmt.Errorf("compare %s profiles: %w", now.Kind, err)
	}
	return Set{Kind: now.Kind, Source: now.Source, Operations: now.Operations, Profile: merged}, nil
}

// Change is the difference of a function's part of one operation between two runs, in the
// kind's unit.
type Change struct {
	Name string
	// Before and After are the function's own part.
	Before, After float64
}

// Changes ranks the functions by how much their own part of an operation differs.
// The first is all functions together, with an empty name.
func Changes(base, now Set) ([]Change, error) {
	if base.Operations == 0 || now.Operations == 0 {
		return nil, errors.New("compare profiles: one covers no operations")
	}
	k, ok := findKind(now.Kind)
	if !ok || base.Kind != now.Kind {
		return nil, fmt.Errorf("compare profiles: kinds %q and %q", base.Kind, now.Kind)
	}
	byName := map[string]*Change{}
	at := func(name string) *Change {
		if byName[name] == nil {
			byName[name] = &Change{Name: name}
		}
		return byName[name]
	}
	for _, side := range []struct {
		set Set
		add func(c *Change, v float64)
	}{{base, func(c *Change, v float64) { c.Before += v }}, {now, func(c *Change, v float64) { c.After += v }}} {
		functions, err := k.functions(side.set.Profile)
		if err != nil {
			return nil, err
		}
		for _, f := range functions {
			v := float64(f.Flat) / float64(side.set.Operations)
			side.add(at(f.Name), v)
			side.add(at(""), v)
		}
	}
	var list []Change
	for _, c := range byName {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b Change) int {
		whole := func(c Change) int {
			if c.Name == "" {
				return 0
			}
			return 1
		}
		size := func(c Change) float64 { return max(c.After-c.Before, c.Before-c.After) }
		return cmp.Or(cmp.Compare(whole(a), whole(b)), cmp.Compare(size(b), size(a)), cmp.Compare(a.Name, b.Name))
	})
	return list, nil
}

// Unit returns the unit of a kind's figures.
func Unit(kindName string) string {
	k, _ := findKind(kindName)
	return k.unit
}
