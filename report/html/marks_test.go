package html

import (
	"slices"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// Marks of charts are in the order of the times of what they mark, however many seconds a
// point of the chart covers: an event of a member comes after its cause.
func TestMarksAreAtTheirTimes(t *testing.T) {
	d := reporttest.LongRun(t, 200, 1, 3)
	intervals := d.Intervals
	d.Intervals = func(each func(*results.Interval) error) error {
		return intervals(func(i *results.Interval) error {
			if i.Number == 153 {
				i.Members[1] = results.Reading{Member: "m2", At: i.Start + 300*time.Millisecond, Missing: "no answer"}
			}
			return each(i)
		})
	}
	d.Run.Events = []results.Event{
		{Kind: "move-leader", Start: 99_500 * time.Millisecond},
		{Kind: "kill", Start: 152_700 * time.Millisecond, Length: time.Second},
	}
	seconds, _, err := readColumns(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []int{1, 2, 7, 60, 200} {
		var marks []mark
		for _, m := range timeMarks(d.Run, joinEach(seconds, each)) {
			if m.class == "event" || m.class == "member" {
				marks = append(marks, m)
			}
		}
		slices.SortFunc(marks, func(a, b mark) int { return int(1e6 * (a.from - b.from)) })
		var order []string
		for _, m := range marks {
			order = append(order, m.short)
		}
		want := []string{"move-leader", "m1 saw 1 change of leader", "kill", "m2 stopped answering", "m2 answered again"}
		if !slices.Equal(order, want) {
			t.Errorf("points of %d seconds: the marks are in the order %q, want %q", each, order, want)
		}
		if at := marks[len(marks)-2].from; at != 153.3 {
			t.Errorf("points of %d seconds: the member that stopped answering is marked at %v s, want 153.3 s", each, at)
		}
	}
}

// Runs side by side have the disturbances of each, counted from its first measured second.
func TestOverlayHasDisturbances(t *testing.T) {
	var runs []runColumns
	for i, events := range [][]results.Event{
		{{Kind: "kill", Start: 6 * time.Second, Length: time.Second, Detail: "m2"}, {Kind: "compaction"}}, nil,
	} {
		d := reporttest.LongRun(t, 20, 1, 3)
		d.Run.Events = events
		columns, _, err := readColumns(d)
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, runColumns{d, columns, "", "", i})
	}
	_, from := measuredColumns(runs[0])
	marks := overlayMarks(runs, 20)
	if len(marks) == 0 || marks[0].short != "A: kill" || marks[0].from != (6*time.Second-from).Seconds() {
		t.Errorf("marks %+v, measured from %v", marks, from)
	}
	if events, any := overlayEvents(runs); !any || len(events.Rows) != 2 || events.Rows[0][0] != "A" || events.Rows[0][2] != "kill" {
		t.Errorf("table %+v", events)
	}
	if _, any := overlayEvents(runs[1:]); any {
		t.Error("a table of runs without disturbances")
	}
}
