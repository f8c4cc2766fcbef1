package report

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/etcdbench/etcdbench/results"
)

// eachInterval calls fn with every interval of a document.
func eachInterval(d Document, fn func(*results.Interval) error) error {
	if d.Intervals == nil {
		return errNoIntervals
	}
	if err := d.Intervals(fn); errors.Is(err, fs.ErrNotExist) {
		return errNoIntervals
	} else if err != nil {
		return fmt.Errorf("read intervals: %w", err)
	}
	return nil
}

var errNoIntervals = errors.New("this format is made of the run's seconds: give the run's directory, which has its journal")
