package report

import (
	"fmt"
	"io"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// hgrmTicks is how many lines there are to each halving of the distance to 100 %.
const hgrmTicks = 5

// writeHGRM writes the percentile distributions that HdrHistogram's plotters
// read, in milliseconds: response and service time of each measured operation,
// each under a comment with its name.
func writeHGRM(w io.Writer, docs []Document) error {
	for _, d := range docs {
		for _, o := range shownOperations(d.Run) {
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
				if _, err := fmt.Fprintf(w, "#[%s %s %s, ms]\n", clean(d.ID), operationName(d.Run, o), series.name); err != nil {
					return err
				}
				if _, err := h.PercentilesPrint(w, hgrmTicks, float64(time.Millisecond)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
