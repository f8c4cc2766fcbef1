package content

import (
	"fmt"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// PublishedTable returns the heading and the cells of a table with a row for each published
// row: its load, the published and the measured rate with their ratio, the same for the mean
// latency, the measured p99, and the reasons against the measurement.
func PublishedTable(p *results.Published) (head []string, rows [][]string) {
	head = []string{"row", "published", "measured", "share", "published mean", "measured mean", "measured p99", "validity"}
	for _, r := range p.Rows {
		p99 := "?"
		if r.P99 > 0 {
			p99 = AtLeast(words.Duration(int64(r.P99)), r.AtLeast)
		}
		note := words.Clean(r.Validity)
		if r.Reason != "" {
			note += ": " + words.Clean(r.Reason)
		}
		if r.ErrorRate > 0 {
			note = words.Percent(r.ErrorRate) + " failed; " + note
		}
		rows = append(rows, []string{
			words.Clean(r.Name), words.Rate(r.PublishedRate) + "/s", words.Rate(r.Rate) + "/s", words.Percent(r.Share()),
			words.Duration(int64(r.PublishedMean)), AtLeast(words.Duration(int64(r.Mean)), r.AtLeast), p99, note,
		})
	}
	return head, rows
}

// PublishedNotes list the differences between the published and the local measurements.
func PublishedNotes(p *results.Published) (lines []string) {
	for _, c := range p.Conditions {
		lines = append(lines, "published: "+words.Clean(c))
	}
	lines = append(lines,
		"measured: "+DescribeCluster(p.Cluster, p.Environment.Disk)+"; "+DescribeMachine(p.Environment),
		"measured: after a warm-up, with keys written in order")
	if p.Cluster.Kind != "remote" {
		lines = append(lines, "measured: members and load share one machine, without a network between them")
	}
	if p.Short {
		lines = append(lines, "measured: a tenth of the published number of operations")
	}
	return append(lines, fmt.Sprintf("source: %s", words.Clean(p.Source)))
}
