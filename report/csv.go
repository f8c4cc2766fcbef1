package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// writeCSV writes a line for each kind of operation in each interval; times are
// nanoseconds.
func writeCSV(w io.Writer, docs []Document) error {
	out := csv.NewWriter(w)
	header := []string{
		"run", "interval", "phase", "start_ns", "length_ns", "operation_phase", "operation",
		"offered", "completed", "failed", "dropped", "unfinished", "throughput_per_s",
		"response_mean_ns", "response_p50_ns", "response_p90_ns", "response_p99_ns", "response_p99.9_ns", "response_max_ns", "service_p50_ns", "service_p99_ns", "in_flight", "queued",
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for _, d := range docs {
		err := eachInterval(d, func(i *results.Interval) error {
			for _, o := range i.Operations {
				if err := out.Write(csvLine(d.ID, i, o)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func csvLine(run string, i *results.Interval, o results.Operation) []string {
	n := func(v int64) string { return strconv.FormatInt(v, 10) }
	u := func(v uint64) string { return strconv.FormatUint(v, 10) }
	r, s := o.ResponseTime, o.ServiceTime
	return []string{
		cell(run), n(int64(i.Number)), cell(i.Phase), n(int64(i.Start)), n(int64(i.Length)), cell(o.Phase), cell(o.Op),
		u(o.Offered), u(o.Completed), u(o.Failed), u(o.Dropped), u(o.Unfinished), strconv.FormatFloat(o.Throughput, 'f', -1, 64),
		n(r.Mean), n(r.P50), n(r.P90), n(r.P99), n(r.P999), n(r.Max), n(s.P50), n(s.P99), n(int64(i.InFlight)), n(int64(i.Queued)),
	}
}

// cell keeps a name from being taken for a formula by a spreadsheet.
func cell(s string) string {
	s = clean(s)
	if strings.HasPrefix(s, "=") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") {
		return "'" + s
	}
	return s
}
