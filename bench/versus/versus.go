// Package versus compares two sides in turns: rounds of two runs each, one of the
// baseline and one of the candidate, in an order that is drawn afresh for every job, so
// that changes of the machine affect both sides equally. It decides by the rules
// of package judge, as early as they allow, and keeps every run on disk.
//
// An [Experiment] derives its runs from two specifications. [Run] is the algorithm alone:
// its caller makes the runs.
package versus

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// The sides, as directories and reports name them.
const (
	Baseline  = "baseline"
	Candidate = "candidate"
)

// Slot is one run of one side.
type Slot struct {
	Round int // from 1
	Side  string
	// Seed is the same for both sides of a round.
	Seed uint64
	// Dir is the directory of the run, which must not exist yet.
	Dir string
}

// Options configure a comparison.
type Options struct {
	// Dir is the directory of the rounds. Rounds that it contains already are not repeated.
	Dir   string
	Rules judge.Rules
	// Seed fixes the slots' seeds. The order of the sides does not follow from it: it is
	// drawn, and kept in Dir.
	Seed uint64
	// Run makes one run and saves it in the slot's directory. An error ends the
	// comparison: that side could not be measured.
	Run func(ctx context.Context, s Slot) (*results.Run, error)
	// Progress is called after each round; it may be nil.
	Progress func(p Progress)
}

// Progress is the state of a comparison after a round.
type Progress struct {
	Round   int
	Planned int // rounds that count, until the last look
	Counted int
	Dropped []results.DroppedRound
	// Void is the reason why the round does not count.
	Void string
	// Metrics are the verdicts so far. Verdict is empty before the first decision point.
	Metrics []results.MetricVerdict
	Verdict string
	// Left is the estimated time until the next decision point.
	Left time.Duration
	// Resumed means that the round was resumed.
	Resumed bool
}

// Outcome is the result of a comparison.
type Outcome struct {
	Verdict, Reason string
	Metrics         []results.MetricVerdict
	Rounds          []judge.Round
	Dropped         []results.DroppedRound
	// Order is the first side of each round, including dropped rounds.
	Order []string
	// Proofs counts the runs by the verdict of their proof, and those without one.
	Proofs     map[string]int
	Violations []results.RunViolation
	// Disturbances are the disturbances of all runs, also of rounds that were dropped.
	Disturbances []results.RunEvent
	// Baseline and Candidate are the last run of each side that counted, or nil if there is
	// none.
	Baseline, Candidate *results.Run
}

// Run makes a comparison. When ctx ends, it returns the result so far and ctx's cause.
func Run(ctx context.Context, o Options) (*Outcome, error) {
	if err := o.Rules.Validate(); err != nil {
		return nil, err
	}
	last := o.Rules.Looks[len(o.Rules.Looks)-1]
	order, err := loadOrder(o.Dir)
	if err != nil {
		return nil, err
	}
	out := &Outcome{Verdict: results.Inconclusive, Reason: notDecided, Proofs: map[string]int{}}
	made, spent := 0, time.Duration(0)
	for number := 1; len(out.Rounds) < last; number++ {
		begin := time.Now()
		sides := order.sides(number)
		runs, resumed, err := o.round(ctx, number, sides)
		if err != nil {
			return out, err
		}
		if !resumed {
			made++
			spent += time.Since(begin)
		}
		out.Order = append(out.Order, firstSide(runs, sides))
		void := out.add(number, runs)
		p := Progress{Round: number, Planned: last, Counted: len(out.Rounds), Dropped: out.Dropped, Void: void, Resumed: resumed}
		done := o.decide(out, number, void)
		p.Metrics = out.Metrics
		if done {
			o.Rules.AddDetectable(out.Metrics)
			p.Verdict = out.Verdict
			o.tell(p)
			return out, nil
		}
		if made > 0 {
			p.Left = spent / time.Duration(made) * time.Duration(o.nextLook(len(out.Rounds))-len(out.Rounds))
		}
		out.Verdict, out.Reason = results.Inconclusive, notDecided
		o.tell(p)
	}
	return out, nil
}

// firstSide returns the side of a round that was first: a round that was resumed may
// have been made in an order that is not kept.
func firstSide(runs map[string]*results.Run, sides [2]string) string {
	if runs[sides[1]].Started.Before(runs[sides[0]].Started) {
		return sides[1]
	}
	return sides[0]
}

// notDecided is the reason of a comparison that ended before the first decision point.
const notDecided = "stopped before the first decision point"

// decide judges the rounds so far and reports whether the comparison is done.
func (o Options) decide(out *Outcome, number int, void string) (done bool) {
	last := o.Rules.Looks[len(o.Rules.Looks)-1]
	out.Metrics, out.Verdict, out.Reason, done = o.Rules.Look(out.Rounds)
	if len(out.Violations) > 0 {
		v := out.Violations[0]
		out.Verdict = results.Fail
		out.Reason = fmt.Sprintf("the proof found %s in the %s's run of round %d: %s",
			english.Plural(int(v.Found), "violation", ""), v.Side, v.Round, v.First)
		return true
	}
	// If too many rounds were dropped so far, later ones may still make up for them, unless none or too
	// few remain.
	tooMany := judge.TooManyDropped(len(out.Dropped), len(out.Rounds))
	undecidable := judge.TooManyDropped(len(out.Dropped), last)
	if !undecidable && (void != "" || !done || tooMany && len(out.Rounds) < last) {
		return false
	}
	if tooMany || undecidable {
		out.Verdict = results.Inconclusive
		out.Reason = fmt.Sprintf("%d of %d rounds were dropped, the last because %s",
			len(out.Dropped), number, out.Dropped[len(out.Dropped)-1].Reason)
	}
	return true
}

func (o Options) tell(p Progress) {
	if o.Progress != nil {
		o.Progress(p)
	}
}

// nextLook returns the number of rounds at the next decision point.
func (o Options) nextLook(counted int) int {
	for _, look := range o.Rules.Looks {
		if look > counted {
			return look
		}
	}
	return counted
}

// add counts a round, or drops it and says why. What the proof of a run found counts in
// any round.
func (out *Outcome) add(number int, runs map[string]*results.Run) (void string) {
	for _, side := range []string{Baseline, Candidate} {
		out.addProof(number, side, runs[side].Proof)
		out.addEvents(number, side, runs[side])
	}
	if void = judge.VoidRound(runs[Baseline], runs[Candidate]); void != "" {
		out.Dropped = append(out.Dropped, results.DroppedRound{Round: number, Reason: void})
		return void
	}
	out.Baseline, out.Candidate = runs[Baseline], runs[Candidate]
	out.Rounds = append(out.Rounds, judge.NewRound(number, out.Baseline, out.Candidate))
	return ""
}

// addProof counts the proof of a run and keeps its violations.
func (out *Outcome) addProof(number int, side string, proof *results.Proof) {
	if proof == nil {
		out.Proofs["none"]++
		return
	}
	out.Proofs[proof.Verdict]++
	if proof.Verdict != results.Violated {
		return
	}
	v := results.RunViolation{Round: number, Side: side, Found: proof.Found}
	if len(proof.Violations) > 0 {
		first := proof.Violations[0]
		v.First = fmt.Sprintf("%s: %s: expected %s, found %s", first.Check, first.Key, first.Expected, first.Found)
	}
	out.Violations = append(out.Violations, v)
}

// addEvents adds the disturbances of a run.
func (out *Outcome) addEvents(number int, side string, run *results.Run) {
	var longest time.Duration
	if run.Availability != nil {
		longest = run.Availability.Longest
	}
	for _, e := range run.Events {
		if len(out.Disturbances) < results.MostRunEvents {
			out.Disturbances = append(out.Disturbances, results.RunEvent{Round: number, Side: side, Event: e, Outage: longest})
		}
	}
}

// RoundDir returns the directory of a round. It contains a directory for each side.
func RoundDir(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("round-%03d", number))
}

// round makes both runs of a round, or reads them where they are there already.
func (o Options) round(ctx context.Context, number int, sides [2]string) (runs map[string]*results.Run, resumed bool, err error) {
	dir := RoundDir(o.Dir, number)
	if runs, ok := stored(dir); ok {
		return runs, true, nil
	}
	// One that was cut short is kept, and made anew as a whole: its two runs belong
	// side by side.
	if err := results.SetAside(dir); err != nil {
		return nil, false, err
	}
	seed := slotSeed(o.Seed, number)
	runs = map[string]*results.Run{}
	for _, side := range sides {
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		run, err := o.Run(ctx, Slot{Round: number, Side: side, Seed: seed, Dir: filepath.Join(dir, side)})
		if ctx.Err() != nil {
			return nil, false, context.Cause(ctx)
		}
		if err != nil {
			return nil, false, fmt.Errorf("round %d, %s: %w", number, side, err)
		}
		runs[side] = run
	}
	return runs, false, nil
}

// stored reads a round from disk, if it is complete.
func stored(dir string) (map[string]*results.Run, bool) {
	runs := map[string]*results.Run{}
	for _, side := range []string{Baseline, Candidate} {
		run, whole := results.ReadWhole(filepath.Join(dir, side))
		if !whole {
			return nil, false
		}
		runs[side] = run
	}
	return runs, true
}
