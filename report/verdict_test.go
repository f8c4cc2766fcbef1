package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// Every kind of verdict in every format; what is inconclusive is skipped in JUnit,
// and what is JSON is read back.
func TestGoldenVerdicts(t *testing.T) {
	for kind, v := range reporttest.GateVerdicts() {
		for _, f := range Verdicts() {
			if f.Name == "html" {
				continue // is the package html's
			}
			var b bytes.Buffer
			if err := f.Write(&b, v); err != nil {
				t.Fatal(err)
			}
			reporttest.Golden(t, "verdict-"+kind+"."+f.Name, b.Bytes())
			switch f.Name {
			case "json":
				if back, err := results.DecodeVerdict(b.Bytes()); err != nil || back.Verdict != v.Verdict {
					t.Errorf("%s: read back %v, %v", kind, back, err)
				}
			case "junit":
				var suites junitSuites
				if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
					t.Errorf("%s: %v", kind, err)
				}
				for _, c := range suites.Suites[0].Cases {
					if c.Name == "p99" && (c.Skipped == nil || !strings.Contains(c.Skipped.Message, "inconclusive")) {
						t.Errorf("%s: an inconclusive metric is not skipped: %+v", kind, c)
					}
				}
			case "markdown":
				if strings.Contains(b.String(), "<script>") {
					t.Error("a script in Markdown")
				}
			}
		}
	}
	if _, err := Verdicts().Find("pdf"); err == nil {
		t.Error("a verdict as pdf")
	}
	if _, err := results.DecodeVerdict([]byte(`{"schema": "etcdbench.run/v1"}`)); err == nil {
		t.Error("a run is no verdict")
	}
}

// Two sides in the formats that have a form for them.
func TestGoldenComparison(t *testing.T) {
	low, high := -0.05, 0.02
	c := Compared{
		Base: []Document{reporttest.Document(t, reporttest.Sample(t))}, Candidate: []Document{reporttest.Document(t, reporttest.Mixture(t))}, Differences: []string{"clients: 8 against 9"},
		Rows: []results.Comparison{
			{Operation: "put", Metric: "throughput", Unit: "/s", Higher: true, Base: 9000, Candidate: 8900, Change: -0.011, Lower: &low, Upper: &high, Word: results.Same, Within: 0.05, Descriptive: true},
			{Operation: "put", Metric: "p99", Unit: "ns", Base: 3e7, Candidate: 9e7, Change: 2, Word: results.Unresolved, Descriptive: true},
			{Metric: "allocs", Unit: "objects", Base: 350, Candidate: 300, Change: -0.14, Lower: &low, Upper: &low, Word: results.Better},
		},
	}
	for _, name := range []string{"text", "markdown", "json", "csv"} {
		f, err := SideComparisons().Find(name)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := f.Write(&b, c); err != nil {
			t.Fatal(err)
		}
		reporttest.Golden(t, "comparison."+name, b.Bytes())
	}
	f, _ := SideComparisons().Find("html")
	var b bytes.Buffer
	if err := f.Write(&b, c); err != nil || !strings.Contains(b.String(), "1 run against 1 run") || !strings.Contains(b.String(), "Runs over time") {
		t.Errorf("as HTML: %v", err)
	}
}

// The note below a comparison says one run a side only where that is so.
func TestComparisonNote(t *testing.T) {
	one, two := make([]Document, 1), make([]Document, 2)
	between, within := []results.Comparison{{}}, []results.Comparison{{}, {Descriptive: true}}
	for _, tt := range []struct {
		base, candidate []Document
		rows            []results.Comparison
		want            string
	}{
		{one, one, within, "One run per side"}, {two, two, within, "Too few runs per side"}, {one, two, within, "Too few runs per side"},
		{two, two, between, ""},
	} {
		note := Compared{Base: tt.base, Candidate: tt.candidate, Rows: tt.rows}.Note()
		if !strings.HasPrefix(note, tt.want) || tt.want == "" && note != "" {
			t.Errorf("%d against %d runs: %q, want %q", len(tt.candidate), len(tt.base), note, tt.want)
		}
	}
}

// Warnings about profiles come in the order of the sides, whenever it is printed.
func TestComparisonKeepsTheOrderOfWarnings(t *testing.T) {
	side := func(messages ...string) (docs []Document) {
		for _, m := range messages {
			run := reporttest.Sample(t)
			run.Warnings = []results.Warning{{Code: "profile-unreadable", Message: m}, {Code: "keys-left", Message: "not shown"}}
			docs = append(docs, Document{Run: run})
		}
		return docs
	}
	c := Compared{Base: side("first", "second"), Candidate: side("third")}
	for range 50 {
		var b bytes.Buffer
		if err := writeComparisonText(&b, c); err != nil {
			t.Fatal(err)
		}
		if want := "  warning: base: first\n  warning: base: second\n  warning: candidate: third\n"; !strings.HasSuffix(b.String(), want) {
			t.Fatalf("%s", b.String())
		}
	}
}

// Every verdict has its sign in a summary, also one that is neither good nor bad.
func TestSignsOfVerdicts(t *testing.T) {
	for verdict, sign := range map[string]string{results.Pass: "✅", results.Fail: "❌", results.Inconclusive: "⚠️"} {
		var b strings.Builder
		if err := writeVerdictMarkdown(&b, &results.Verdict{Gate: "measured", Verdict: verdict, Reason: "why"}); err != nil {
			t.Fatal(err)
		}
		if want := "## " + sign + " " + verdict + ": why\n"; !strings.HasPrefix(b.String(), want) {
			t.Errorf("%.40q, want %q", b.String(), want)
		}
	}
}

// A summary that would not fit ends after a whole line and says so.
func TestMarkdownIsCutBetweenLines(t *testing.T) {
	v := &results.Verdict{Gate: "thresholds", Verdict: results.Fail}
	c := Compared{Base: []Document{{Run: reporttest.Sample(t)}}, Candidate: []Document{{Run: reporttest.Sample(t)}}}
	for n := range 9000 {
		v.Checks = append(v.Checks, results.ThresholdCheck{Text: strings.Repeat("a", n%3) + strings.Repeat("日", 60), Verdict: results.Fail})
		c.Rows = append(c.Rows, results.Comparison{Operation: strings.Repeat("a", n%3) + strings.Repeat("日", 60), Word: results.Unresolved})
	}
	for name, write := range map[string]func(w io.Writer) error{
		"verdict": func(w io.Writer) error { return writeVerdictMarkdown(w, v) }, "comparison": func(w io.Writer) error { return writeComparisonMarkdown(w, c) },
	} {
		var b strings.Builder
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		text, cut := strings.CutSuffix(b.String(), "|\n\n… the rest is omitted: a summary holds at most 1 MiB\n")
		if !cut || !utf8.ValidString(text) || b.Len() > maxMarkdown || b.Len() < maxMarkdown-1000 {
			t.Errorf("%s: %d bytes, ending in %q", name, b.Len(), b.String()[b.Len()-100:])
		}
	}
}
