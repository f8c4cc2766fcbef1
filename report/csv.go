package report

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// writeCSV writes a line for each kind of operation in each interval; times are
// nanoseconds. Percentiles that are not resolved are empty. The column lower_bounds names
// the figures of the response time that are lower bounds.
func writeCSV(w io.Writer, docs []Document) error {
	out := csv.NewWriter(w)
	header := []string{
		"run", "interval", "phase", "start_ns", "length_ns", "operation_phase", "operation",
		"offered", "completed", "failed", "dropped", "unfinished", "throughput_per_s", "error_rate",
		"response_mean_ns", "response_p50_ns", "response_p90_ns", "response_p99_ns", "response_p99.9_ns",
		"response_max_ns", "service_p50_ns", "service_p99_ns", "in_flight", "queued", "lower_bounds",
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for _, d := range docs {
		err := d.EachInterval(func(i *results.Interval) error {
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
	f := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	line := []string{
		cell(run), n(int64(i.Number)), cell(i.Phase), n(int64(i.Start)), n(int64(i.Length)), cell(o.Phase), cell(o.Op),
		u(o.Offered), u(o.Completed), u(o.Failed), u(o.Dropped), u(o.Unfinished), f(o.Throughput), f(o.ErrorRate()), n(o.ResponseTime.Mean),
	}
	times := func(list []results.Percentile) {
		for _, q := range list {
			text := ""
			if q.Resolved {
				text = n(int64(q.Time))
			}
			line = append(line, text)
		}
	}
	times(o.Percentiles(50, 90, 99, 99.9))
	line = append(line, n(o.ResponseTime.Max))
	times(o.ServiceTime.Percentiles(50, 99))
	return append(line, n(int64(i.InFlight)), n(int64(i.Queued)), strings.Join(o.LowerBounds(), " "))
}

// cell keeps a name from being taken for a formula by a spreadsheet.
func cell(s string) string {
	s = words.Clean(s)
	if strings.HasPrefix(s, "=") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "@") {
		return "'" + s
	}
	return s
}
