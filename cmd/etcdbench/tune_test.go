package main

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What an independent reader needs of a tuning's document and of a journal.
type (
	tuningJSON struct {
		RTT   int64       `json:"rtt_ns"`
		Tried []triedJSON `json:"tried"`
	}
	triedJSON struct {
		Name     string   `json:"name"`
		Election int64    `json:"election_ns"`
		Interval int64    `json:"heartbeat_ns"`
		Finding  string   `json:"finding"`
		Runs     []string `json:"runs"`
		Faults   []struct {
			Fault   string  `json:"fault"`
			Outages []int64 `json:"outages_ns"`
			Below   int64   `json:"below_ns"`
		} `json:"faults"`
	}
	momentJSON struct {
		At      int64 `json:"at_ns"`
		Done    int   `json:"completed"`
		Failed  int   `json:"failed"`
		Longest int64 `json:"longest_ns"`
	}
	journalJSON struct {
		Interval struct {
			Phase  string `json:"phase"`
			Start  int64  `json:"start_ns"`
			Length int64  `json:"length_ns"`
			Events []struct {
				Kind  string `json:"kind"`
				Start int64  `json:"start_ns"`
			} `json:"events"`
			Moments []momentJSON `json:"moments"`
		} `json:"interval"`
	}
)

func (t triedJSON) times(rtt int64) (election, heartbeat, roundTrip time.Duration) {
	return time.Duration(t.Election), time.Duration(t.Interval), time.Duration(rtt)
}

// outages DIR checks what a tuning says of failovers against its journals and against
// theory: an election begins E to 2E after the last heartbeat, and takes some round
// trips.
func cmdOutages(ts *testscript.TestScript, neg bool, args []string) {
	var doc tuningJSON
	data, err := os.ReadFile(ts.MkAbs(filepath.Join(args[0], "tuning.json")))
	ts.Check(err)
	ts.Check(json.Unmarshal(data, &doc))
	checked := 0
	for _, tried := range doc.Tried {
		if tried.Finding != "" {
			ts.Fatalf("%s: %s", tried.Name, tried.Finding)
		}
		for _, run := range tried.Runs {
			var lost []time.Duration
			late, events, moments := readJournal(ts, ts.MkAbs(filepath.Join(args[0], run, "intervals.jsonl")))
			for _, f := range tried.Faults {
				if len(f.Outages) != 1 || len(tried.Runs) != 1 {
					ts.Fatalf("%s: %v: the check is for one fault of a kind", tried.Name, f)
				}
				start, next := events[f.Fault][0], events[f.Fault][1]
				got := time.Duration(f.Outages[0])
				if !slices.Contains([]string{"kill-leader", "pause-leader", "cut-leader"}, f.Fault) {
					continue
				}
				want := outage(moments, start, next, late)
				ts.Logf("%s %s: %v, by the journal %v", tried.Name, f.Fault, got, want)
				if (got - want).Abs() > 50*time.Millisecond {
					ts.Fatalf("%s %s: reported %v, by the journal %v", tried.Name, f.Fault, got, want)
				}
				if got == 0 && f.Below >= late { // on a slow machine, it may hide in what counts as late
					checked++
					continue
				}
				if e, h, rtt := tried.times(doc.RTT); got < e-h-rtt {
					ts.Fatalf("%s %s: %v is sooner than an election timeout of %v allows", tried.Name, f.Fault, got, e)
				}
				lost = append(lost, got)
				checked++
			}
			// The median, as a vote that splits, or a machine that is slow, takes longer.
			slices.Sort(lost)
			if e, _, rtt := tried.times(doc.RTT); len(lost) > 0 && lost[len(lost)/2] > 2*e+6*rtt+500*time.Millisecond {
				ts.Fatalf("%s: %v are later than an election timeout of %v gives", tried.Name, lost, e)
			}
		}
	}
	if checked < 6 {
		ts.Fatalf("only %d failovers were there to check", checked)
	}
}

// readJournal returns after how long an arrival is late, when each fault was made and
// the next one, and the moments of the whole run.
func readJournal(ts *testscript.TestScript, path string) (late int64, events map[string][2]int64, moments []momentJSON) {
	f, err := os.Open(path)
	ts.Check(err)
	defer f.Close()
	sums := map[int64]momentJSON{}
	type event struct {
		kind  string
		start int64
	}
	var list []event
	steady := [2]int64{math.MaxInt64, 0}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), `{"interval"`) {
			continue
		}
		var j journalJSON
		ts.Check(json.Unmarshal(lines.Bytes(), &j))
		if i := j.Interval; i.Phase == "steady" {
			steady = [2]int64{min(steady[0], i.Start), i.Start + i.Length}
		}
		for _, e := range j.Interval.Events {
			list = append(list, event{e.Kind, e.Start})
		}
		for _, m := range j.Interval.Moments {
			sum := sums[m.At]
			sums[m.At] = momentJSON{m.At, sum.Done + m.Done, sum.Failed + m.Failed, max(sum.Longest, m.Longest)}
		}
	}
	var usual []int64
	for _, m := range sums {
		moments = append(moments, m)
		if m.At >= steady[0] && m.At < steady[1] {
			usual = append(usual, m.Longest)
		}
	}
	slices.SortFunc(moments, func(a, b momentJSON) int { return int(a.At - b.At) })
	slices.SortFunc(list, func(a, b event) int { return int(a.start - b.start) })
	events = map[string][2]int64{}
	for i, e := range list {
		next := moments[len(moments)-1].At
		if i+1 < len(list) {
			next = list[i+1].start
		}
		events[e.kind] = [2]int64{e.start, next}
	}
	slices.Sort(usual)
	return max(20e6, 2*usual[len(usual)*99/100]), events, moments
}

// outage takes an outage by its definition, its own way, from the end: the earliest
// good moment with at most one bad arrival in twenty in the half second from it, and
// everything from the first bad one until its answer.
func outage(moments []momentJSON, from, to, late int64) time.Duration {
	var arrivals, bad []int // until each moment
	var at []int64
	first, end := int64(-1), int64(-1)
	sumAll, sumBad := 0, 0
	for _, m := range moments {
		if m.At < from-from%1e7 || m.At >= to-late {
			continue
		}
		arrivals, bad, at = append(arrivals, sumAll), append(bad, sumBad), append(at, m.At)
		sumAll += m.Done + m.Failed
		if m.Failed > 0 || m.Longest > late {
			sumBad += m.Done + m.Failed
			if first < 0 {
				first = m.At
			}
		}
	}
	arrivals, bad = append(arrivals, sumAll), append(bad, sumBad)
	for i := len(at) - 1; i >= 0 && first >= 0 && at[i] > first; i-- {
		after, _ := slices.BinarySearch(at, at[i]+5e8+1)
		good := bad[i+1] == bad[i]
		if good && 20*(bad[after]-bad[i]) <= arrivals[after]-arrivals[i] {
			k := slices.IndexFunc(moments, func(m momentJSON) bool { return m.At == at[i] })
			end = at[i] + moments[k].Longest
		}
	}
	return time.Duration(max(0, end-first))
}
