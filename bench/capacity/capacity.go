// Package capacity searches for the highest rate that a cluster sustains under an SLO. It
// raises the rate until it fails, or lowers it until it is sustained, bisects on a logarithmic
// scale, confirms the maximum with a soak, and probes above it. The result is an interval: a
// probe and the soak sustained its lower end, and its upper end failed.
//
// An [Experiment] derives its probes from one specification. [Run] is the algorithm alone: its
// caller makes the runs of the probes. Rates are arrivals per second of an open loop.
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
	// Dir is the directory for the run, which must not exist yet.
	Dir string
	// MemberDown means that a follower is killed before the load.
	MemberDown bool
}

// Options configure a search.
type Options struct {
	// Dir keeps the probes. Probes that are in it already are not repeated.
	Dir string
	SLO []judge.Threshold
	// Start is the first rate. Lower rates follow if it fails.
	Start float64
	// Factor multiplies the rate until it fails; 0 means 2.
	Factor float64
	// Step is the relative distance between the rates above the maximum; 0 means 0.03.
	Step float64
	// Whole restricts the search to whole numbers, for the values of a parameter.
	Whole bool
	// Most is the largest possible rate; 0 means no limit.
	Most float64
	// Unit is printed after a rate; empty means "/s".
	Unit string
	// MemberDown adds a search with a follower killed, from the maximum downwards.
	MemberDown bool
	// Precision is the relative width at which the bisection ends.
	Precision float64
	// Length is the measured length of a probe, Soak that of the confirmation.
	Length, Soak time.Duration
	// Alpha is the probability that the bounds of a probe miss; 0 means [judge.ProbeAlpha].
	Alpha float64
	// Extensions is how often an unclear probe, or one whose generator was late, is repeated. Each
	// repetition of an unclear probe is twice as long. A soak is repeated once less, because it is
	// long.
	Extensions int
	// Sweep are the shares of the maximum at which the curve is measured.
	Sweep []float64
	// Seed fixes the order of the sweep.
	Seed uint64
	// Run makes a probe, saves it in its directory, and waits until the cluster is idle.
	Run func(ctx context.Context, p Probe) (judge.Run, error)
	// Made reports whether a run in the directory of a probe was made for this probe; nil
	// accepts every run. Another one is set aside: a search that takes another way, as after an
	// update, has other rates.
	Made func(p Probe, run *results.Run) bool
	// Progress is called before each new probe with the results until then, and after it with its
	// verdict. It may be nil.
	Progress func(p Progress)
}

// Progress is the state of a search.
type Progress struct {
	Probe
	Low, High float64
	// Left is the shortest time that the rest takes.
	Left time.Duration
	// Done has the verdict; nil before a probe.
	Done *results.CapacityProbe
	// Resumed means that the probe was read from its directory.
	Resumed bool
	// Search is the number of the search, from 1.
	Search, Searches int
}

const (
	maxSteps = 60
	// beyondFirst times the maximum is the first rate above it. The next steps grow by beyondGrowth,
	// up to beyondMost, until a probe clearly fails.
	beyondFirst, beyondMost, beyondGrowth = 1.05, 1.30, 1.5
	// maxLooks is the number of times that the probes continue from the highest rate if all of them
	// are sustained.
	maxLooks = 8
	// downFactor is the step between rates with a member down, which fall until one is sustained, but
	// not below downLeast times the maximum.
	downFactor, downLeast = 0.8, 0.2
	// maxDescents is the number of lower rates that are tried if the first rate fails. Each is lower by
	// the search's factor or more, but by jumpFactors of them at most.
	maxDescents, jumpFactors = 4, 4
	// maxSoaks is the number of lower rates that have their own soak if a soak failed. The steps grow.
	maxSoaks = 8
)

var (
	// ErrNothingSustained means that the cluster sustained neither the first rate of a search nor
	// several lower ones.
	ErrNothingSustained = errors.New("no load meets the SLO")
	// ErrUnclear means that the samples were too few to decide whether the cluster
	// sustains any rate of a search.
	ErrUnclear = errors.New("inconclusive whether any load meets the SLO")
)

// search is the state of one search.
type search struct {
	Options
	out *results.Capacity
	// low is the highest sustained rate, high the lowest that clearly failed, notLow the lowest
	// that was not sustained, clearly or not.
	low, notLow float64
	limit       string // the reason why the generator was the limit
	limitRate   float64
	last        *results.Run
	number      int
	// best is the run of the highest sustained rate. down means that a member is down.
	best     *results.Run
	bestRate float64
	down     bool
	// rising means that a higher rate comes next, few are those that had too few
	// operations to tell.
	rising bool
	few    []float64
	// late means that a lower rate comes next because the generator was late at higher ones,
	// so that it is not asked again.
	late bool
}

// Run searches. With an error, the result holds what was found until then.
func Run(ctx context.Context, o Options) (*results.Capacity, error) {
	o.Factor, o.Step = cmp.Or(o.Factor, 2), cmp.Or(o.Step, 0.03)
	o.Alpha, o.Unit = cmp.Or(o.Alpha, judge.ProbeAlpha), cmp.Or(o.Unit, "/s")
	s := &search{Options: o, out: &results.Capacity{Schema: results.CapacitySchema}, notLow: math.Inf(1)}
	for _, t := range o.SLO {
		s.out.SLO = append(s.out.SLO, t.Text)
	}
	err := s.all(ctx)
	if s.Soak > 0 && !s.hasSoak(true, func(rate float64) bool { return rate == s.low }) {
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

// bound sets the ends above the maximum: the lowest rate that clearly failed, and the lowest
// rate that failed or was unclear. It uses the probes above the maximum. Only if none of them
// was clear does it use the other probes: of many probes near the limit, the lowest that failed
// may have failed by chance.
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

// probe makes one probe, and longer ones while it is unclear. A probe that remains unclear
// counts as failed. A rate above one that failed is never sustained.
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
			if rate <= s.limitRate { // the generator was the limit, not the cluster
				s.limit, s.limitRate = "", 0
			}
		case results.GeneratorLimit:
			// Another program may have caused it. It counts as a limit only if it happens again.
			if extension < s.Extensions && stage != results.StageSweep && !s.late {
				continue
			}
			s.limit, s.limitRate = fmt.Sprintf("the generator's limit at %s%s: %s", results.Amount(rate), s.Unit, p.Reason), rate
			s.notLow = min(s.notLow, rate)
			return false, nil
		case results.Unclear, results.TooFew:
			if s.rising && p.Verdict == results.TooFew {
				s.few = append(s.few, rate)
				return false, nil // a higher rate decides sooner than a longer probe
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

// one makes one run, or reads it if it exists, and judges it.
func (s *search) one(ctx context.Context, stage string, rate float64, length time.Duration) (results.CapacityProbe, error) {
	if ctx.Err() != nil {
		return results.CapacityProbe{}, context.Cause(ctx)
	}
	s.number++
	name := fmt.Sprintf("probe-%03d", s.number)
	p := Probe{Number: s.number, Stage: stage, Rate: rate, Length: length, Dir: filepath.Join(s.Dir, name), MemberDown: s.down}
	progress := Progress{Probe: p, Low: s.low, High: s.out.High, Left: s.left(stage, length)}
	run, resumed := s.stored(p)
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

// warn keeps the run's warning about other clients of the cluster; the last one remains.
func (s *search) warn(run *results.Run) {
	for _, w := range run.Warnings {
		if w.Code == results.WarnOthers {
			s.out.Warnings = []results.Warning{w}
		}
	}
}

// found returns what the search has found so far.
type found struct {
	low, notLow, limitRate, bestRate float64
	limit                            string
	best                             *results.Run
}

func (s *search) found() found {
	return found{s.low, s.notLow, s.limitRate, s.bestRate, s.limit, s.best}
}

// restore restores the results from before probes that do not count.
func (s *search) restore(f found) {
	s.low, s.notLow, s.limitRate, s.bestRate, s.limit, s.best = f.low, f.notLow, f.limitRate, f.bestRate, f.limit, f.best
}

func (s *search) tell(p Progress) {
	if s.Progress != nil {
		s.Progress(p)
	}
}

// left returns the time that the search still takes if no probe is unclear and the bracket
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

// stored reads a probe from disk if it was completed. A probe that failed has ended the search
// and is repeated.
func (s *search) stored(p Probe) (judge.Run, bool) {
	run, whole := results.ReadWhole(p.Dir)
	if !whole || run.Outcome != results.Completed || s.Made != nil && !s.Made(p, run) {
		return judge.Run{}, false
	}
	return judge.Run{Run: run, Intervals: func(each func(*results.Interval) error) error { return results.EachInterval(p.Dir, each) }}, true
}
