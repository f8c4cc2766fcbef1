// Package capacity searches for the highest rate that a cluster sustains under an
// SLO: upwards until it does not, or downwards until it does, then by bisection on a
// logarithmic scale, then with a soak, and a look beyond. The answer is an interval:
// its lower end was sustained by a probe and by the soak, its upper end was not.
//
// An [Experiment] derives its probes from one specification. [Run] is the algorithm
// alone: a probe is a run that its caller makes. Rates are arrivals per second of an
// open loop.
package capacity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Probe is one run at one rate.
type Probe struct {
	Number int // from 1
	Stage  string
	Rate   float64
	Length time.Duration
	// Dir is where the run goes. It does not exist yet.
	Dir string
	// MemberDown says that a follower is killed before the load.
	MemberDown bool
}

// Options say what is searched for, and how.
type Options struct {
	// Dir keeps the probes; those that are in it already are not made again.
	Dir string
	SLO []judge.Threshold
	// Start is the first rate. Where it is too much, lower ones follow.
	Start float64
	// Factor is by how much the rate grows until it is too much; 0 means 2.
	Factor float64
	// Step is how far apart the looks beyond the maximum are; 0 means 0.03.
	Step float64
	// Whole searches among whole numbers, where rates are a parameter's values.
	Whole bool
	// Most is the largest rate that can be had; 0 is no bound.
	Most float64
	// Unit follows a rate where one is printed; empty means "/s".
	Unit string
	// MemberDown searches once more with a follower killed, from the maximum downwards.
	MemberDown bool
	// Precision is how near the two ends of the bisection must come, as a share.
	Precision float64
	// Length is that of a probe's measured part, Soak that of the confirmation.
	Length, Soak time.Duration
	// Alpha is how often a probe's bounds may miss; 0 means [judge.ProbeAlpha].
	Alpha float64
	// Extensions is how often an unclear probe is made again, twice as long each time (a
	// soak, which is long already, once less), or one whose generator was late.
	Extensions int
	// Sweep are shares of the maximum at which the curve is measured; none without.
	Sweep []float64
	// Seed fixes the order of the sweep.
	Seed uint64
	// Run makes a probe, saves it in its directory, and waits until the cluster is
	// idle again.
	Run func(ctx context.Context, p Probe) (judge.Run, error)
	// Progress is called before each probe that is made, with what is known until then,
	// and after it with its verdict; it may be nil.
	Progress func(p Progress)
}

// Progress is how a search stands.
type Progress struct {
	Probe
	Low, High float64
	// Left is how long the rest takes at least.
	Left time.Duration
	// Done has the verdict; before a probe it is nil.
	Done *results.CapacityProbe
	// Resumed says that the probe was resumed.
	Resumed bool
	// Search is which of several searches it is, from 1.
	Search, Searches int
}

const (
	maxSteps = 60
	// Above the maximum, rates are looked at from beyondFirst on, in steps that grow,
	// until one is clearly too much.
	beyondFirst, beyondMost, beyondGrowth = 1.05, 1.30, 1.5
	// Where all of them are sustained, the look goes on from the highest, so many times.
	maxLooks = 8
	// With a member down, rates fall by this factor until one is sustained, and not
	// below a fifth of the maximum.
	downFactor, downLeast = 0.8, 0.2
	// From a first rate that is not sustained, so many lower ones are tried, each by the
	// search's factor or more, but not by more than jumpFactors of them at once.
	maxDescents, jumpFactors = 4, 4
	// Where the soak is not sustained, so many lower rates have their own, by steps that
	// grow.
	maxSoaks = 8
)

var (
	// ErrHopeless says that the cluster sustained neither the first rate of a search nor
	// several lower ones.
	ErrHopeless = errors.New("no load meets the SLO")
	// ErrUnclear says that the samples were too few to decide whether the cluster
	// sustains any rate of a search.
	ErrUnclear = errors.New("inconclusive whether any load meets the SLO")
)

// search is one search under way.
type search struct {
	Options
	out *results.Capacity
	// low is the highest rate sustained, high the lowest clearly not, notLow the
	// lowest that was not sustained, clearly or not.
	low, notLow float64
	limit       string // the generator's
	limitRate   float64
	last        *results.Run
	number      int
	// best is the run of the highest rate that was sustained, down says that a member is.
	best     *results.Run
	bestRate float64
	down     bool
	// rising says that a higher rate comes next, few are those that had too few
	// operations to tell.
	rising bool
	few    []float64
	// late says that a lower rate comes next because the generator was late at higher ones,
	// so that it is not asked again.
	late bool
}

// Run searches. The result holds what was found until then, also with an error.
func Run(ctx context.Context, o Options) (*results.Capacity, error) {
	o.Factor, o.Step = cmp.Or(o.Factor, 2), cmp.Or(o.Step, 0.03)
	o.Alpha, o.Unit = cmp.Or(o.Alpha, judge.ProbeAlpha), cmp.Or(o.Unit, "/s")
	s := &search{Options: o, out: &results.Capacity{Schema: results.CapacitySchema}, notLow: math.Inf(1)}
	for _, t := range o.SLO {
		s.out.SLO = append(s.out.SLO, t.Text)
	}
	err := s.all(ctx)
	if s.Soak > 0 && !s.soaked(true, func(rate float64) bool { return rate == s.low }) {
		s.low = 0 // the search ended before its soak
	}
	s.out.Low, s.out.Stopped = s.low, s.limit
	s.bound()
	if s.best != nil {
		s.out.Resources = judge.Resources(s.best)
	}
	s.out.Machine = judge.MachineLimit(s.out)
	judge.Contradictions(s.out, s.Unit)
	s.out.Fit = judge.NewFit(s.out)
	if s.last != nil {
		s.out.Workload, s.out.Cluster, s.out.Environment = s.last.Plan.Workload, s.last.Cluster, s.last.Environment
	}
	return s.out, err
}

// bound finds the ends above the maximum: the rate beyond that was clearly not sustained,
// and the lowest that was not sustained or could not be shown to be. Only where no look
// beyond was clear does the rest of the search count: of many probes near the limit,
// the lowest that failed did so by chance.
func (s *search) bound() {
	lowest := func(beyond bool, verdicts ...string) (rate float64) {
		for _, p := range s.out.Probes {
			searching := p.Stage == results.StageBeyond || !beyond && p.Stage != results.StageDown && p.Stage != results.StageSweep
			if searching && slices.Contains(verdicts, p.Verdict) && p.Rate > s.low && (rate == 0 || p.Rate < rate) {
				rate = p.Rate
			}
		}
		return rate
	}
	s.out.High = cmp.Or(lowest(true, results.Overloaded), lowest(false, results.Overloaded))
	if s.out.High == 0 || s.low == 0 {
		return
	}
	s.limit, s.out.Stopped = "", ""
	if failed := lowest(false, results.Overloaded, results.Unclear, results.TooFew); failed < s.out.High {
		s.out.Failed = failed
	}
}

func (s *search) all(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{s.bracket, s.bisect, s.soak, s.beyond, s.memberDown, s.sweep} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// probe makes one probe, and longer ones while it is unclear; what stays unclear
// was not sustained. A rate below which another was not sustained is never sustained.
func (s *search) probe(ctx context.Context, stage string, rate float64, length time.Duration) (sustained bool, err error) {
	for extension := 0; ; extension++ {
		p, err := s.one(ctx, stage, rate, length)
		if err != nil {
			return false, err
		}
		switch p.Verdict {
		case results.Sustained:
			s.low = max(s.low, rate)
			if !s.down && rate >= s.bestRate {
				s.best, s.bestRate = s.last, rate
			}
			if s.notLow <= rate {
				s.notLow = math.Inf(1)
			}
			return true, nil
		case results.Overloaded:
			if rate <= s.limitRate { // the generator sustained more than the cluster
				s.limit, s.limitRate = "", 0
			}
		case results.GeneratorLimit:
			// Another program's moment, perhaps: not before it comes again is it a limit.
			if extension < s.Extensions && stage != results.StageSweep && !s.late {
				continue
			}
			s.limit, s.limitRate = fmt.Sprintf("the generator's limit at %s%s: %s", results.Amount(rate), s.Unit, p.Reason), rate
			s.notLow = min(s.notLow, rate)
			return false, nil
		case results.Unclear, results.TooFew:
			if s.rising && p.Verdict == results.TooFew {
				s.few = append(s.few, rate)
				return false, nil // a higher rate tells it sooner than a longer probe
			}
			extensions := s.Extensions
			if stage == results.StageSoak {
				extensions--
			}
			if extension < extensions && stage != results.StageSweep {
				length *= 2
				continue
			}
		}
		s.notLow = min(s.notLow, rate)
		return false, nil
	}
}

// one makes one run, or reads it where it is there already, and judges it.
func (s *search) one(ctx context.Context, stage string, rate float64, length time.Duration) (results.CapacityProbe, error) {
	if ctx.Err() != nil {
		return results.CapacityProbe{}, context.Cause(ctx)
	}
	s.number++
	name := fmt.Sprintf("probe-%03d", s.number)
	p := Probe{Number: s.number, Stage: stage, Rate: rate, Length: length, Dir: filepath.Join(s.Dir, name), MemberDown: s.down}
	progress := Progress{Probe: p, Low: s.low, High: s.out.High, Left: s.left(stage, length)}
	run, resumed := stored(p.Dir)
	if !resumed {
		s.tell(progress)
		if err := results.SetAside(p.Dir); err != nil {
			return results.CapacityProbe{}, err
		}
		var err error
		if run, err = s.Options.Run(ctx, p); err != nil || ctx.Err() != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return results.CapacityProbe{}, err
		}
	}
	s.last = run.Run
	s.warn(run.Run)
	probe := judge.NewCapacityProbe(s.number, stage, rate, length, run.Run)
	probe.Dir = name
	var err error
	if probe.Verdict, probe.Reason, err = judge.Probe(run, s.SLO, s.Alpha); err != nil {
		return probe, err
	}
	s.out.Probes = append(s.out.Probes, probe)
	progress.Done, progress.Resumed = &probe, resumed
	s.tell(progress)
	return probe, nil
}

// warn keeps what a run says of others in the cluster, the last of it.
func (s *search) warn(run *results.Run) {
	for _, w := range run.Warnings {
		if w.Code == results.WarnOthers {
			s.out.Warnings = []results.Warning{w}
		}
	}
}

// found is what a search has found so far.
type found struct {
	low, notLow, limitRate, bestRate float64
	limit                            string
	best                             *results.Run
}

func (s *search) found() found {
	return found{s.low, s.notLow, s.limitRate, s.bestRate, s.limit, s.best}
}

// restore goes back to what was found before probes that do not count.
func (s *search) restore(f found) {
	s.low, s.notLow, s.limitRate, s.bestRate, s.limit, s.best = f.low, f.notLow, f.limitRate, f.bestRate, f.limit, f.best
}

func (s *search) tell(p Progress) {
	if s.Progress != nil {
		s.Progress(p)
	}
}

// left is how long the search takes yet, if no probe is unclear and the bracket
// closes with the next one.
func (s *search) left(stage string, length time.Duration) time.Duration {
	bisections := 0
	switch stage {
	case results.StageBracket:
		bisections = int(math.Ceil(math.Log2(math.Ln2 / math.Log1p(s.Precision))))
	case results.StageBisect:
		if s.low == 0 || math.IsInf(s.notLow, 1) {
			break
		}
		bisections = max(0, int(math.Ceil(math.Log2(math.Log(s.notLow/s.low)/math.Log1p(s.Precision))))-1)
	}
	left := length + time.Duration(bisections)*s.Length
	switch stage {
	case results.StageBracket, results.StageBisect:
		left += s.Soak + s.Length
	case results.StageSoak:
		left += s.Length
	}
	if s.MemberDown && stage != results.StageDown && stage != results.StageSweep {
		left += s.Length
	}
	if stage != results.StageSweep {
		left += time.Duration(len(s.Sweep)) * s.Length
	}
	return left
}

// stored reads a probe that is on disk, if it was completed: one that failed ended the
// search, and is made again.
func stored(dir string) (judge.Run, bool) {
	run, whole := results.ReadWhole(dir)
	if !whole || run.Outcome != results.Completed {
		return judge.Run{}, false
	}
	return judge.Run{Run: run, Intervals: func(each func(*results.Interval) error) error { return results.EachInterval(dir, each) }}, true
}
