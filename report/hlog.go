package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// writeHLog writes an HdrHistogram interval log, version 1.3 of its format with
// V2 histograms: the response times of each second, tagged phase:operation. The
// values are nanoseconds. Unfinished operations are in them with lower bounds; a comment
// says how many.
func writeHLog(w io.Writer, docs []Document) error {
	for _, d := range docs {
		log := hdrhistogram.NewHistogramLogWriter(w)
		start := d.Started.UnixMilli()
		comments := func() error {
			for _, o := range content.Operations(d.Run) {
				if err := log.OutputComment("[" + tag(o) + ": " + content.Outcomes(o) + "]"); err != nil {
					return err
				}
			}
			if line := content.OmittedLine(d.Run); line != "" {
				return log.OutputComment("[outcomes of " + line + "]")
			}
			return nil
		}
		for _, step := range []func() error{
			func() error {
				return log.OutputComment("[etcdbench " + words.Clean(d.ID) + ", response times in nanoseconds]")
			},
			comments,
			log.OutputLogFormatVersion,
			func() error { return log.OutputStartTime(start) },
			func() error { return log.OutputBaseTime(start) },
			log.OutputLegend,
		} {
			if err := step(); err != nil {
				return err
			}
		}
		log.SetBaseTime(start)
		err := d.EachInterval(func(i *results.Interval) error {
			for _, o := range i.Operations {
				h, err := o.ResponseTime.Histogram()
				if err != nil {
					return err
				}
				if h.TotalCount() == 0 {
					continue
				}
				if n := o.UnfinishedResponseTime.Count; n > 0 {
					text := fmt.Sprintf("[%s: %d of the next %d are lower bounds]", tag(o), n, h.TotalCount())
					if err := log.OutputComment(text); err != nil {
						return err
					}
				}
				h.SetTag(tag(o))
				h.SetStartTimeMs(start + i.Start.Milliseconds())
				h.SetEndTimeMs(start + (i.Start + i.Length).Milliseconds())
				if err := log.OutputIntervalHistogram(h); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tag names an operation in a log whose fields are separated by commas.
func tag(o results.Operation) string {
	return strings.Map(func(r rune) rune {
		if r == ',' || r == ' ' || r == '=' {
			return '_'
		}
		return r
	}, words.Clean(o.Phase)+":"+words.Clean(o.Op))
}
