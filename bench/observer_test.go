package bench

import (
	"errors"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// sliceObserver is of a type that cannot be compared.
type sliceObserver struct {
	calls []*int
	err   error
}

func (sliceObserver) Start(*results.Run) error { return nil }
func (o sliceObserver) Interval(*results.Interval) error {
	*o.calls[0]++
	return o.err
}
func (sliceObserver) Finish(*results.Run) error { return nil }

// An observer that fails is not called again, and the others are, whatever their types
// are and though one is in the list twice.
func TestObserversOfAnyType(t *testing.T) {
	var failing, working, twice int
	bad := sliceObserver{[]*int{&failing}, errors.New("disk full")}
	good := sliceObserver{[]*int{&working}, nil}
	repeated := sliceObserver{[]*int{&twice}, nil}
	o := newObservers([]Observer{bad, good, repeated, repeated})
	for range 3 {
		o.interval(&results.Interval{})
	}
	if failing != 1 || working != 3 || twice != 6 {
		t.Errorf("%d calls of the failing observer, %d and %d of the working ones, want 1, 3 and 6", failing, working, twice)
	}
	run := &results.Run{}
	if err := o.finish(run); err != nil || len(run.Warnings) != 1 || run.Warnings[0].Message != "disk full" {
		t.Errorf("%v, warnings %+v, want one: disk full", err, run.Warnings)
	}
}
