package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// hgrmTicks is how many lines there are to each halving of the distance to 100 %.
const hgrmTicks = 5

// writeHGRM writes the percentile distributions that HdrHistogram's plotters
// read, in milliseconds: response and service time of each measured operation,
// each under a comment with its name. Unfinished operations are in the response times with
// lower bounds; a comment says how many. Percentiles that are not resolved are left out.
func writeHGRM(w io.Writer, docs []Document) error {
	for _, d := range docs {
		for _, o := range content.Operations(d.Run) {
			for _, series := range []struct {
				name    string
				latency results.Latency
			}{{"response time", o.ResponseTime}, {"service time", o.ServiceTime}} {
				h, err := series.latency.Histogram()
				if err != nil {
					return err
				}
				if h.TotalCount() == 0 {
					continue
				}
				_, err = fmt.Fprintf(w, "#[%s %s %s, ms]\n#[%s]\n",
					words.Clean(d.ID), content.OperationName(d.Run, o), series.name, content.Outcomes(o))
				if err != nil {
					return err
				}
				var all strings.Builder
				if _, err := h.PercentilesPrint(&all, hgrmTicks, float64(time.Millisecond)); err != nil {
					return err
				}
				if _, err := io.WriteString(w, resolvedLines(all.String(), series.latency)); err != nil {
					return err
				}
			}
		}
		if line := content.OmittedLine(d.Run); line != "" {
			if _, err := fmt.Fprintf(w, "#[%s]\n", line); err != nil {
				return err
			}
		}
	}
	return nil
}

// resolvedLines leaves the lines of percentiles out that are not resolved. The last, the
// maximum, stays.
func resolvedLines(text string, l results.Latency) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) == 4 {
			share, err := strconv.ParseFloat(fields[1], 64)
			if err == nil && share < 1 && !l.Resolved(100*share) {
				continue
			}
		}
		b.WriteString(line)
	}
	return b.String()
}
