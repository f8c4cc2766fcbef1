package cluster

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/etcdbench/etcdbench/results"
)

// Bounds of a page of metrics. etcd's page has some 200 KiB, of which some 20 KiB are used.
const (
	maxPage     = 8 << 20
	maxPageLine = 64 << 10
	maxPageRead = 1 << 20
	maxFigure   = 1e18
	// maxSeconds bounds the values of histograms in seconds: 30 years.
	maxSeconds = 1e9
)

// histograms are the names of the histograms that are kept with their buckets.
func histograms() map[string]string {
	return map[string]string{
		results.HistogramFsync:   "etcd_disk_wal_fsync_duration_seconds",
		results.HistogramCommit:  "etcd_disk_backend_commit_duration_seconds",
		results.HistogramPeerRTT: "etcd_network_peer_round_trip_time_seconds",
	}
}

// page holds the metrics of a member that are read, by family.
type page map[string]*dto.MetricFamily

// wantedFamilies are the families that are read, by name.
func wantedFamilies() map[string]bool {
	wanted := map[string]bool{}
	for _, m := range results.Metrics() {
		wanted[m.Source] = true
		for _, suffix := range []string{"_sum", "_count"} {
			if base, ok := strings.CutSuffix(m.Source, suffix); ok {
				wanted[base] = true
			}
		}
	}
	for _, source := range histograms() {
		wanted[source] = true
	}
	return wanted
}

// readPage reads a page in the Prometheus text format and keeps the wanted families. Its
// memory is bounded for any input. It returns an error for numbers that are not finite or out
// of bounds.
func readPage(r io.Reader, wanted map[string]bool) (page, error) {
	limited := &io.LimitedReader{R: r, N: maxPage + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(make([]byte, 0, 4096), maxPageLine)
	var kept bytes.Buffer
	for lines.Scan() {
		if !wanted[familyOf(lines.Bytes(), wanted)] {
			continue
		}
		kept.Write(lines.Bytes())
		kept.WriteByte('\n')
		if kept.Len() > maxPageRead {
			return nil, fmt.Errorf("the metrics that are read have more than %d KiB", maxPageRead>>10)
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("a line has more than %d KiB", maxPageLine>>10)
	case err != nil:
		return nil, err
	case limited.N == 0:
		return nil, fmt.Errorf("the page has more than %d MiB", maxPage>>20)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	p, err := parser.TextToMetricFamilies(&kept)
	if err != nil {
		return nil, err
	}
	return p, page(p).check()
}

// familyOf returns the name of the family that a line belongs to. For a wanted histogram, that
// is the name of the histogram. It is empty for comments other than types.
func familyOf(line []byte, wanted map[string]bool) string {
	if rest, ok := bytes.CutPrefix(line, []byte("# TYPE ")); ok {
		name, _, _ := bytes.Cut(rest, []byte(" "))
		return string(name)
	}
	end := bytes.IndexAny(line, "{ \t")
	if end < 0 {
		return ""
	}
	name := string(line[:end])
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, suffix); ok && wanted[base] {
			return base
		}
	}
	return name
}

// check returns an error for numbers that no member reports. The quantiles of a summary are
// not read: they are not numbers without observations.
func (p page) check() error {
	for name, family := range p {
		for _, m := range family.Metric {
			figures := []float64{
				m.GetCounter().GetValue(), m.GetGauge().GetValue(), m.GetUntyped().GetValue(), m.GetSummary().GetSampleSum(),
			}
			for _, f := range figures {
				if math.IsNaN(f) || math.Abs(f) > maxFigure {
					return fmt.Errorf("%s is %g", name, f)
				}
			}
			if err := checkHistogram(m.GetHistogram()); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

func checkHistogram(h *dto.Histogram) error {
	if sum := h.GetSampleSum(); math.IsNaN(sum) || math.Abs(sum) > maxFigure {
		return fmt.Errorf("the sum is %g", sum)
	}
	for _, b := range h.GetBucket() {
		if bound := b.GetUpperBound(); math.IsNaN(bound) || bound < 0 || bound > maxSeconds && !math.IsInf(bound, 1) {
			return fmt.Errorf("a bucket has the bound %g", bound)
		}
	}
	return nil
}
