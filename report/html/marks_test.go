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
