package report

import (
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// A history has every run's figures, and says at which the versions and the
// machine changed.
func TestGoldenHistory(t *testing.T) {
	runs := reporttest.PastRuns(t)
	for _, format := range HistoryFormats() {
		var b strings.Builder
		if err := WriteHistory(&b, format, runs, []results.SeriesChange{reporttest.LevelChange(runs)}, []string{"read result x: truncated"}); err != nil {
			t.Fatal(err)
		}
		if format != "html" {
			reporttest.Golden(t, "history."+format, []byte(reporttest.WithoutScripts(b.String())))
		}
	}
}

// A history says where the transport changed, which begins another series.
func TestHistoryOfTransports(t *testing.T) {
	runs := reporttest.PastRuns(t)
	runs[len(runs)-1].Plan.Transport = results.TransportGRPC
	var b strings.Builder
	if err := WriteHistory(&b, "text", runs, nil, nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"transport lean → grpc", "transport grpc"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
