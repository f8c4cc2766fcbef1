package results

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"
)

// The limits of a run's document and of a line of its journal. A file of a few bytes for
// each entry would otherwise take a hundred times its size of memory, and times near the
// largest number would overflow in sums.
const (
	// maxElements is the largest number of the entries of all lists together, maxFields that of
	// the fields of all objects. The operations of a run and their errors and counts have
	// bounds of their own, maxOperations and maxDetails.
	maxElements = 1 << 17
	maxDetails  = 1 << 19
	maxFields   = 1 << 20
	maxDepth    = 100
	// maxTime bounds each time, and the length of all phases together: ten years.
	maxTime = 10 * 366 * 24 * time.Hour
	// maxCount bounds the operations that are counted.
	maxCount = 1 << 50
	// maxOperations is the largest number of kinds of operations in all phases. Formats for
	// people show the first of them, see report/content.
	maxOperations = 100_000
	// MaxPhases is the largest number of phases of a plan or a run. MaxThresholds is the
	// largest number of thresholds.
	MaxPhases     = 1_000
	MaxThresholds = 200
	// maxClasses is the largest number of kinds of errors, and of counts of a workload.
	maxClasses = 256
	// maxTotals is the largest size of the sums over a journal, in bytes.
	maxTotals = 64 << 20
)

// checkSize returns an error for JSON with more entries, fields or levels than etcdbench
// writes. It allocates nothing. It does not detect invalid JSON, which the parser does.
func checkSize(data []byte) error {
	var s size
	before := byte(0) // the previous character that is not white space
	for i := 0; i < len(data); i++ {
		c := data[i]
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		case '"':
			begin := i
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
			if s.depth == 1 {
				s.operations = string(data[begin:min(i+1, len(data))]) == `"operations"`
			}
		case '{', '[':
			if s.depth == maxDepth {
				return fmt.Errorf("more than %d levels", maxDepth)
			}
			s.lists[s.depth] = c == '['
			s.depth++
			*s.counter()++
		case '}', ']':
			if c == ']' && before == '[' {
				*s.counter()-- // an empty list
			}
			s.depth = max(0, s.depth-1)
		case ',':
			*s.counter()++
		}
		before = c
	}
	return s.check()
}

// size counts the parts of JSON that take memory.
type size struct {
	lists      [maxDepth]bool // whether each open level is a list
	depth      int
	operations bool // within the operations of a run

	elements, fields int
	// kinds are the operations of a run, details the entries of lists in them.
	kinds, details int
	free           int // fields of operations, which take no memory of their own
}

// counter returns the counter for the elements of the present level.
func (s *size) counter() *int {
	list := s.depth > 0 && s.lists[s.depth-1]
	switch {
	case s.operations && s.depth == 2 && list:
		return &s.kinds
	case s.operations && s.depth > 2 && list:
		return &s.details
	case s.operations && s.depth > 2:
		return &s.free
	case list:
		return &s.elements
	}
	return &s.fields
}

func (s *size) check() error {
	switch {
	case s.kinds > maxOperations:
		return fmt.Errorf("%d operations exceed the limit of %d", s.kinds, maxOperations)
	case s.elements > maxElements || s.details > maxDetails || s.fields > maxFields:
		return fmt.Errorf("%d entries and %d fields exceed the limits of %d and %d",
			s.elements+s.details, s.fields, maxElements, maxFields)
	}
	return nil
}

// maxFigure is the largest value of a figure in a document. Sums and squares of many such
// figures do not overflow.
const maxFigure = 1e30

// checkNumbers returns an error for times and figures that no run can have, at any depth of a
// document.
func checkNumbers(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Float64:
		if f := v.Float(); !(math.Abs(f) <= maxFigure) {
			return fmt.Errorf("%g exceeds the limit of a figure", f)
		}
	case reflect.Int64:
		if d, ok := v.Interface().(time.Duration); ok && (d > maxTime || d < -maxTime) {
			return fmt.Errorf("%d ns exceeds the length of any run", int64(d))
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return checkNumbers(v.Elem())
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			if err := checkNumbers(each.Value()); err != nil {
				return fmt.Errorf("%s: %w", Clip(each.Key().String()), err)
			}
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return nil
		}
		for i := range v.Len() {
			if err := checkNumbers(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[Latency]() || v.Type() == reflect.TypeFor[time.Time]() {
			return nil // other checks bound it
		}
		for i := range v.NumField() {
			if err := checkNumbers(v.Field(i)); err != nil {
				name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// checkPhases returns an error if the phases are longer, together, than any run can be.
func checkPhases(phases []Phase) error {
	var sum time.Duration
	for _, p := range phases {
		if p.Length < 0 || p.Length > maxTime-sum {
			return fmt.Errorf("phase %s: the phases exceed the length of any run", Clip(p.Name))
		}
		sum += p.Length
	}
	return nil
}

// checkCounts returns an error for operations that are too many to count, or that have too many
// kinds of errors.
func checkCounts(ops []Operation) error {
	if len(ops) > maxOperations {
		return fmt.Errorf("%d operations exceed the limit of %d", len(ops), maxOperations)
	}
	errors, counts := map[[2]string]bool{}, map[string]bool{}
	for i := range ops {
		o := &ops[i]
		for _, n := range []uint64{o.Offered, o.Completed, o.Failed, o.Dropped, o.Unfinished, o.TimedOut, o.CompletedLate} {
			if n > maxCount {
				return fmt.Errorf("operation %s/%s: %d operations are more than there can be", Clip(o.Phase), Clip(o.Op), n)
			}
		}
		for _, e := range o.Errors {
			errors[[2]string{e.Code, e.Etcd}] = true
		}
		for _, c := range o.Counts {
			counts[c.Name] = true
		}
		if len(o.Errors) > maxClasses || len(o.Counts) > maxClasses || len(errors) > maxClasses || len(counts) > maxClasses {
			return fmt.Errorf("operation %s/%s: more than %d kinds of errors or counts", Clip(o.Phase), Clip(o.Op), maxClasses)
		}
	}
	return nil
}

// checkRun returns an error for a run with times or counts that no run can have.
func checkRun(run *Run) error {
	if err := checkNumbers(reflect.ValueOf(run).Elem()); err != nil {
		return err
	}
	if err := checkPhases(run.Phases); err != nil {
		return err
	}
	err := checkLengths([]length{
		{"phases", len(run.Phases), MaxPhases}, {"phases of the plan", len(run.Plan.Phases), MaxPhases},
		{"thresholds", len(run.Plan.Thresholds), MaxThresholds},
	})
	if err != nil {
		return err
	}
	return checkCounts(run.Operations)
}

// checkInterval returns an error for an interval with times or counts that no run can have.
func checkInterval(i *Interval) error {
	if err := checkNumbers(reflect.ValueOf(i).Elem()); err != nil {
		return err
	}
	return checkCounts(i.Operations)
}

// size returns the approximate size of the sum in bytes.
func (s *operationSum) size() int {
	n := 2048 + len(s.op.Phase) + len(s.op.Op)
	for i := range s.latencies {
		l := &s.latencies[i]
		n += len(l.only.HDR)
		if l.h != nil {
			n += l.h.GetMemorySize()
		}
	}
	for _, e := range s.op.Errors {
		n += 64 + len(e.Code) + len(e.Etcd) + len(e.Example)
	}
	for _, c := range s.op.Counts {
		n += 48 + len(c.Name) + len(c.Of)
	}
	return n
}
