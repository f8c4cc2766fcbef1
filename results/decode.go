package results

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Encode returns a document (a [Run], a [Verdict], a [Capacity], a [Tuning]) as
// indented JSON.
func Encode(document any) ([]byte, error) {
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %T: %w", document, err)
	}
	return append(data, '\n'), nil
}

// Decode reads a document. It returns an error for another schema, a histogram that does not
// decode, and counts that do not add up.
func Decode(data []byte) (*Run, error) {
	run := new(Run)
	if err := decode(data, KindRun, run); err != nil {
		return nil, err
	}
	if err := checkRun(run); err != nil {
		return nil, err
	}
	if err := checkOperations(run.Operations); err != nil {
		return nil, err
	}
	if run.Schema == schemaV1 {
		run.Schema = Schema
		if err := addBounds(run.Operations); err != nil {
			return nil, err
		}
	}
	return run, run.complete()
}

// Clip shortens a text that comes from a file or a server, so that an error or a
// report that quotes it stays on one line: to 40 bytes at most and an ellipsis.
func Clip(s string) string { return clip(s, 40) }

// clip shortens a text to at most that many bytes and an ellipsis. It does not split a
// character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}

func checkOperations(ops []Operation) error {
	for i := range ops {
		o := &ops[i]
		if o.Completed+o.Failed+o.Dropped+o.Unfinished != o.Offered {
			return fmt.Errorf("operation %s/%s: completed %d + failed %d + dropped %d + unfinished %d is not offered %d",
				Clip(o.Phase), Clip(o.Op), o.Completed, o.Failed, o.Dropped, o.Unfinished, o.Offered)
		}
	}
	return nil
}

// addBounds converts operations of the previous schema: it adds the lower bounds of unfinished
// operations to the response times.
func addBounds(ops []Operation) (err error) {
	for i := range ops {
		o := &ops[i]
		if o.ResponseTime, err = MergeLatency(o.ResponseTime, o.UnfinishedResponseTime); err != nil {
			return fmt.Errorf("operation %s/%s: %w", Clip(o.Phase), Clip(o.Op), err)
		}
	}
	return nil
}

// latencies returns every latency of an operation.
func (o *Operation) latencies() []*Latency {
	parts := o.parts()
	return append(parts[:], &o.AllResponseTime)
}
