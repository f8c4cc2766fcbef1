package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// judgeShare judges by the share of the arrivals that are slower than the bound or did
// not complete: the percentile p is within the bound where the share is at most 1 − p.
func (t Threshold) judgeShare(run Run, s stretch, p, alpha float64) (probeVerdict, error) {
	whole, err := t.count(s.Operation)
	if err != nil {
		return probeVerdict{}, err
	}
	allowed := 1 - p/100
	text := fmt.Sprintf("%s: %.0f of %.0f operations are slower or did not complete", t.Text, whole.slower, whole.arrivals)
	if p == 100 { // the longest time has no confidence bounds
		switch {
		case whole.arrivals == 0:
			return probeVerdict{results.TooFew, text}, nil
		case whole.slower == 0:
			return sustained(), nil
		case whole.slower == whole.open:
			return probeVerdict{results.Unclear, text}, nil
		}
		return probeVerdict{results.Overloaded, text}, nil
	}
	least, most := 0.0, 1.0
	if whole.arrivals > 0 {
		if least, most, err = t.shareBounds(run, s.Operation, whole, p, alpha); err != nil {
			return probeVerdict{}, err
		}
	}
	switch {
	case most <= allowed:
		return sustained(), nil
	case least > allowed:
		return probeVerdict{results.Overloaded, text + t.bounds(least, most)}, nil
	case !resolvedShare(whole, p):
		return probeVerdict{results.TooFew, text}, nil
	}
	return probeVerdict{results.Unclear, text + t.bounds(least, most)}, nil
}

func (t Threshold) bounds(least, most float64) string {
	return fmt.Sprintf(" (between %.3g and %.3g %%)", 100*least, 100*most)
}

// leastBeyond is the expected number of operations beyond a percentile from which on it is
// judged by the scatter of stretches of the run.
const leastBeyond = 10

// counted is the number of arrivals, and of those that are not within a bound: slower, or
// without an answer. open is the number of those whose true time is unknown and may be within
// it.
type counted struct{ arrivals, slower, open float64 }

// times returns the times that a threshold bounds, and those of them that are lower bounds.
func (t Threshold) times(o results.Operation) (times, unfinished results.Latency) {
	switch name, _, _ := strings.Cut(t.Metric, "."); name {
	case "response_time":
		return o.ResponseTime, o.UnfinishedResponseTime
	case "all_response_time":
		return o.AllResponseTime, o.UnfinishedResponseTime
	case "service_time":
		return o.ServiceTime, results.Latency{}
	default:
		return o.QueueTime, results.Latency{}
	}
}

// arrivals returns the number of operations, with or without an answer. For a document without
// outcomes, it is the number of times.
func arrivals(o results.Operation, times results.Latency) float64 {
	return max(float64(o.Ended()), float64(times.Count))
}

// count counts the arrivals of an operation.
func (t Threshold) count(o results.Operation) (counted, error) {
	times, unfinished := t.times(o)
	within, err := times.CountBelow(int64(t.Value))
	if err != nil {
		return counted{}, err
	}
	open, err := unfinished.CountBelow(int64(t.Value))
	if err != nil {
		return counted{}, err
	}
	all := arrivals(o, times)
	return counted{arrivals: all, slower: max(0, all-float64(within-open)), open: float64(open)}, nil
}

// shareBounds returns the bounds of the share of arrivals that are not within the
// threshold: those of independent arrivals (Clopper and Pearson's), or, where they are
// wider, those from the scatter of tenths of the run, as slow operations come together:
// see [stats.Woodruff]. So they are never of zero width. Where the percentile is resolved
// but the tenths are unknown, there is no upper bound.
func (t Threshold) shareBounds(run Run, o results.Operation, whole counted, p, alpha float64) (least, most float64, err error) {
	least, _ = stats.ClopperPearson(whole.slower-whole.open, whole.arrivals, alpha)
	_, most = stats.ClopperPearson(whole.slower, whole.arrivals, alpha)
	if !resolvedShare(whole, p) {
		return least, most, nil
	}
	phases, err := t.blocks(run, o)
	if err != nil {
		return least, 1, err
	}
	// The percentile of all arrivals, of which those without a time are the slowest.
	times, _ := t.times(o)
	at := place{time: int64(t.Value), part: 1}
	if rank := p * whole.arrivals / float64(times.Count); rank < 100 {
		if at, err = placeOf(times, rank); err != nil {
			return least, 1, err
		}
	}
	shares, err := t.sharesBelow(phases, at)
	if err != nil || len(shares) < leastBlocks {
		return least, 1, err
	}
	lower, upper := stats.Woodruff(p, shares, alpha)
	least = min(least, (whole.slower-whole.open)/whole.arrivals-(p-lower)/100)
	most = max(most, whole.slower/whole.arrivals+(upper-p)/100)
	return max(least, 0), min(most, 1), nil
}

// place is a place in a distribution: above all shorter times, and above a part of the equal
// ones. If many times are equal, such as timeouts, a percentile lies among them, and the share
// of a block up to that time would contain no information about its scatter.
type place struct {
	time int64
	part float64
}

// placeOf returns the place of a percentile.
func placeOf(times results.Latency, p float64) (place, error) {
	at := place{time: int64(times.Percentile(p).Time)}
	shorter, alike, err := at.count(times)
	if alike > 0 {
		at.part = min(1, max(0, (p/100*float64(times.Count)-shorter)/alike))
	}
	return at, err
}

// count returns the number of shorter samples and of equal ones.
func (p place) count(times results.Latency) (shorter, alike float64, err error) {
	below, err := times.CountBelow(p.time)
	if err != nil {
		return 0, 0, err
	}
	all, err := countAtMost(times, p.time)
	return float64(below), float64(all - below), err
}

// blocks returns the tenths of the run for a threshold, by phase.
func (t Threshold) blocks(run Run, o results.Operation) (phases [][]results.Operation, err error) {
	length := run.Length(func(phase string) bool { return t.covers(run.Run, phase) }) / probeBlocks
	for _, ph := range run.Phases {
		if !t.covers(run.Run, ph.Name) {
			continue
		}
		blocks, err := series{run, o, func(phase string) bool { return phase == ph.Name }}.blocks(max(length.Truncate(time.Second), time.Second))
		if err != nil {
			return nil, err
		}
		phases = append(phases, blocks)
	}
	return phases, nil
}

// sharesBelow returns the share of the arrivals of each block that are below a place, minus the
// mean of its phase, because phases may differ by plan.
func (t Threshold) sharesBelow(phases [][]results.Operation, at place) (shares []float64, err error) {
	for _, blocks := range phases {
		first := len(shares)
		for _, b := range blocks {
			times, _ := t.times(b)
			shorter, alike, err := at.count(times)
			if err != nil {
				return nil, err
			}
			if all := arrivals(b, times); all > 0 {
				shares = append(shares, (shorter+at.part*alike)/all)
			}
		}
		mean, _ := stats.MeanAndDeviation(shares[first:])
		for i := first; i < len(shares); i++ {
			shares[i] -= mean
		}
	}
	return shares, nil
}

// resolvedShare reports whether enough operations lie beyond a percentile to judge it by
// the scatter of tenths of the run.
func resolvedShare(whole counted, p float64) bool {
	return whole.arrivals*(1-p/100) >= leastBeyond*(1-1e-9)
}
