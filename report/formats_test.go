package report

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/perf/benchfmt"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

func write(t *testing.T, format string, docs ...Document) string {
	t.Helper()
	f, err := Find(format)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b, docs); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGoldenFormats(t *testing.T) {
	one := reporttest.Costed(t)
	for _, format := range []string{"markdown", "csv", "hlog", "hgrm", "benchfmt", "junit", "openmetrics", "perfdash"} {
		reporttest.Golden(t, "formats."+format, []byte(reporttest.WithoutScripts(write(t, format, reporttest.Document(t, one), reporttest.Document(t, reporttest.Mixture(t))))))
	}
	files, err := perfdashFiles([]Document{reporttest.Document(t, one)})
	if err != nil || len(files) != 1 || files[0].Name != "EtcdAPI_benchmark_put_2026-11-20T10:15:00Z.json" {
		t.Fatalf("perfdash's files: %v %v", files, err)
	}
	reporttest.Golden(t, "formats.perfdash-file", files[0].Data)
}

// What other programs read is read back with their own readers.
func TestFormatsAreReadBack(t *testing.T) {
	doc := reporttest.Document(t, reporttest.Sample(t))

	rows, err := csv.NewReader(strings.NewReader(write(t, "csv", doc))).ReadAll()
	if err != nil || len(rows) != 7 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if rows[1][6] != "put" || rows[1][8] != "100" || rows[2][6] != "'=pods, update" {
		t.Errorf("rows %q", rows[:3])
	}

	log := hdrhistogram.NewHistogramLogReader(strings.NewReader(write(t, "hlog", doc)))
	for n := range 3 {
		h, err := log.NextIntervalHistogram()
		if err != nil || h == nil {
			t.Fatalf("interval %d: %v", n, err)
		}
		if h.Tag() != "measure:put" || h.TotalCount() != 100 || h.Max() < int64(time.Duration(n+2)*time.Millisecond) || h.EndTimeMs()-h.StartTimeMs() != 1000 {
			t.Errorf("interval %d: tag %q, %d samples, max %d, from %d to %d", n, h.Tag(), h.TotalCount(), h.Max(), h.StartTimeMs(), h.EndTimeMs())
		}
	}

	run := reporttest.Sample(t)
	run.Server = &results.Server{Cost: []results.Cost{{Phase: "measure", Operations: 99_990, Figures: map[string]float64{"allocs": 210.4}}}}
	reader := benchfmt.NewReader(strings.NewReader(write(t, "benchfmt", reporttest.Document(t, run))), "test")
	found := 0
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			found++
			p99, ok := rec.Value("p99-sec") // as the reader tidies it
			allocs, ok2 := rec.Value("server-allocs/op")
			if rec.Name.String() != "Put/phase=measure/op=put" || !ok || !ok2 || math.Abs(p99*1e9-float64(run.Operations[1].Percentile(99).Time)) > 1 || allocs != 210.4 || rec.GetConfig("etcd") != "3.7.3" {
				t.Errorf("%s %v %q", rec.Name, rec.Values, rec.GetConfig("etcd"))
			}
		}
	}
	if found != 1 || reader.Units().Get("p99-ns", "better") == nil || reader.Units().Get("op/s", "better").Value != "higher" {
		t.Errorf("%d results, units %v", found, reader.Units())
	}

	var suites junitSuites
	if err := xml.Unmarshal([]byte(write(t, "junit", reporttest.Document(t, reporttest.Mixture(t)))), &suites); err != nil {
		t.Fatal(err)
	}
	s := suites.Suites[0]
	if s.Tests != 4 || s.Failures != 1 || s.Skipped != 1 || s.Cases[3].Failure == nil || !strings.Contains(s.Cases[3].Failure.Message, "version 3") {
		t.Errorf("%+v", s)
	}

	// The text parser knows all of OpenMetrics but its last line.
	text := strings.TrimSuffix(write(t, "openmetrics", reporttest.Document(t, run)), "# EOF\n")
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if m := families["etcdbench_response_time_seconds"].GetMetric(); len(m) != 1 || m[0].GetSummary().GetSampleCount() != 100_005 {
		t.Errorf("response times %v", m)
	}
	if m := families["etcdbench_server_cost"].GetMetric(); len(m) != 1 || m[0].GetGauge().GetValue() != 210.4 {
		t.Errorf("costs %v", m)
	}

	lines := 0
	for line := range strings.Lines(write(t, "hgrm", doc)) {
		if fields := strings.Fields(line); len(fields) == 4 {
			if _, err := strconv.ParseFloat(fields[0], 64); err == nil {
				lines++
			}
		}
	}
	if lines < 20 {
		t.Errorf("only %d percentiles", lines)
	}
}

// A format that needs the seconds says so when there are none.
func TestFormatsWithoutIntervals(t *testing.T) {
	for _, format := range []string{"csv", "hlog"} {
		f, err := Find(format)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Write(io.Discard, []Document{{Run: reporttest.Sample(t)}}); !errors.Is(err, content.ErrNoIntervals) {
			t.Errorf("%s: %v", format, err)
		}
	}
	if _, err := Find("pdf"); err == nil || !strings.Contains(err.Error(), "markdown") {
		t.Errorf("unknown format: %v", err)
	}
}

// Whatever the document's strings hold, a format keeps its form.
func TestHostileFormats(t *testing.T) {
	evil := "\x1b[2J|<script>alert(1)</script>,\"]]>\r\n=1+1\x00" + strings.Repeat("A", 1<<20)
	run := reporttest.Mixture(t)
	run.ID, run.Plan.Workload, run.Cluster.Version, run.Environment.CPUModel = evil, evil, evil, evil
	run.Operations[0].Op, run.Validity.Verdict = evil, evil
	run.Proof.Violations[0].Key = evil
	run.Warnings[0].Message = evil
	run.Profiles = []results.Profile{{Source: evil, Kind: evil, Phase: evil, File: evil, Missing: evil}, {Kind: evil, Unit: evil, Total: 1, Phase: evil, Top: []results.ProfileFunction{{Name: evil, Flat: 1, Cum: 1}}}}
	for _, f := range All() {
		if f.Name == "json" {
			continue // is the document
		}
		text := write(t, f.Name, reporttest.Document(t, run))
		if strings.ContainsAny(text, "\x1b\x00") || strings.Contains(text, "<script>alert") && f.Name != "csv" && f.Name != "text" && f.Name != "hgrm" && f.Name != "hlog" && f.Name != "benchfmt" && f.Name != "openmetrics" {
			t.Errorf("%s lets through what it should not", f.Name)
		}
		if len(text) > 100<<10 {
			t.Errorf("%s has grown to %d bytes", f.Name, len(text))
		}
	}
	var suites junitSuites
	if err := xml.Unmarshal([]byte(write(t, "junit", reporttest.Document(t, run))), &suites); err != nil {
		t.Error(err)
	}
}

// A summary that would not fit says how much is left out.
func TestMarkdownKeepsToItsLimit(t *testing.T) {
	var docs []Document
	one := reporttest.Document(t, reporttest.Mixture(t))
	for range 1000 {
		docs = append(docs, one)
	}
	text := write(t, "markdown", docs...)
	if len(text) > maxMarkdown || !strings.HasSuffix(text, "more results\n") {
		t.Errorf("%d bytes, ending in %q", len(text), text[len(text)-40:])
	}
}
