package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// items are a run and one document of each other kind.
func items(t *testing.T) (run, verdict, capacity, tuning Item) {
	return Item{Runs: []Document{{Run: reporttest.Sample(t)}}},
		Item{Saved: results.Saved{Kind: results.KindVerdict, Path: "gate-1", Verdict: reporttest.GateVerdicts()["ab"]}},
		Item{Saved: results.Saved{Kind: results.KindCapacity, Path: "capacity-1", Capacity: reporttest.CapacitySearch(t)}},
		Item{Saved: results.Saved{Kind: results.KindTuning, Path: "tune-1", Tuning: reporttest.PairTuning(t)}}
}

// One item comes in every format of its kind, several in those that are read from top
// to bottom, and anything else is refused before anything is written.
func TestItems(t *testing.T) {
	run, verdict, capacity, tuning := items(t)
	for _, item := range []Item{verdict, capacity, tuning} {
		for _, format := range []string{"text", "json", "markdown", "junit", "html"} {
			if err := WriteItems(io.Discard, format, []Item{item}); err != nil {
				t.Errorf("%s as %s: %v", item.Saved.Kind, format, err)
			}
		}
	}
	all := []Item{run, verdict, capacity, tuning, run}
	for _, format := range []string{"text", "markdown"} {
		var b strings.Builder
		if err := WriteItems(&b, format, all); err != nil {
			t.Fatal(err)
		}
		last := -1
		for _, want := range []string{"etcdbench put", "env:GOGC=20 against", "sustained 8,800/s", "recommended: 50ms/500ms", "etcdbench put"} {
			at := strings.Index(b.String()[last+1:], want)
			if at < 0 {
				t.Errorf("%s lacks %q in its place", format, want)
			}
			last += at + 1
		}
	}
	for _, one := range []struct {
		format string
		items  []Item
		want   string
	}{
		{"pdf", []Item{run}, `--format: unknown format "pdf"`},
		{"csv", []Item{capacity}, "--format csv is for runs, and capacity-1 is a capacity search: use text, json, markdown, junit, html"},
		{"perfdash", []Item{run, verdict}, "--format perfdash is for runs, and gate-1 is a gate's verdict"},
		{"html", []Item{run, tuning}, "report them one by one, or use text or markdown"},
		{"json", []Item{verdict, tuning}, "report them one by one, or use text or markdown"},
	} {
		var b strings.Builder
		if err := WriteItems(&b, one.format, one.items); err == nil || !strings.Contains(err.Error(), one.want) || strings.Contains(err.Error(), "\n") || b.Len() > 0 {
			t.Errorf("%d items as %s: %v, want %q", len(one.items), one.format, err, one.want)
		}
	}
	if err := WriteItems(io.Discard, "text", []Item{{}}); err == nil {
		t.Error("an item without a document is written")
	}
}

// checkForm fails the test unless every format of a document keeps its form.
func checkForm(t *testing.T, item Item) {
	t.Helper()
	for _, format := range []string{"text", "markdown", "junit", "html"} {
		var b bytes.Buffer
		if err := WriteItems(&b, format, []Item{item}); err != nil {
			t.Fatalf("%s as %s: %v", item.Saved.Kind, format, err)
		}
		text := b.String()
		if !utf8.ValidString(text) {
			t.Errorf("%s as %s is no UTF-8", item.Saved.Kind, format)
		}
		switch format {
		case "text", "markdown":
			for _, r := range text {
				if !unicode.IsPrint(r) && r != '\n' {
					t.Fatalf("%s as %s has %U", item.Saved.Kind, format, r)
				}
			}
		case "junit":
			var suites junitSuites
			if err := xml.Unmarshal(b.Bytes(), &suites); err != nil {
				t.Errorf("%s as %s: %v", item.Saved.Kind, format, err)
			}
		}
		if evil := "<script>alert"; format != "text" && strings.Contains(text, evil) {
			t.Errorf("%s as %s has a script of the document", item.Saved.Kind, format)
		}
	}
	// A document can hold what JSON cannot, which is an error.
	_ = WriteItems(io.Discard, "json", []Item{item})
}

// fill sets every number below a value to the one that number gives, and every string
// to text.
func fill(v reflect.Value, number float64, text string) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			fill(v.Elem(), number, text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), number, text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), number, text)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			if v.Type().Elem().Kind() == reflect.Float64 {
				v.SetMapIndex(key, reflect.ValueOf(number))
			}
		}
	case reflect.Float64:
		v.SetFloat(number)
	case reflect.Int, reflect.Int64, reflect.Int32:
		switch {
		case number > math.MaxInt64:
			v.SetInt(math.MaxInt64)
		case number < math.MinInt64:
			v.SetInt(math.MinInt64)
		case number == number: // is no NaN
			v.SetInt(int64(number))
		}
	case reflect.String:
		if text != "" {
			v.SetString(text)
		}
	}
}

// Whatever numbers and strings a document holds, each format keeps its form and ends.
func TestHostileDocuments(t *testing.T) {
	if testing.Short() {
		t.Skip("reports many documents in every format")
	}
	evil := "\x1b[2J|<script>alert(1)</script>,\"]]>\r\n\x00\u202e\xff" + strings.Repeat("A", 1<<10)
	for _, number := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 5e-324, 1e18, -1, 0} {
		for _, text := range []string{"", evil} {
			_, _, capacity, tuning := items(t)
			all := []Item{capacity, tuning}
			for _, v := range reporttest.GateVerdicts() {
				all = append(all, Item{Saved: results.Saved{Kind: results.KindVerdict, Verdict: v}})
			}
			for _, item := range all {
				for _, document := range []any{item.Saved.Verdict, item.Saved.Capacity, item.Saved.Tuning} {
					fill(reflect.ValueOf(document), number, text)
				}
				checkForm(t, item)
			}
		}
	}
}

// A plan that says more than was measured does not stop a report.
func TestPlanWithoutMeasurement(t *testing.T) {
	_, _, capacity, _ := items(t)
	capacity.Saved.Capacity.MemberDown = nil
	checkForm(t, capacity)
}

// FuzzDocuments reads documents of gates and experiments and writes them in every
// format.
func FuzzDocuments(f *testing.F) {
	seeds, err := filepath.Glob(filepath.Join("testdata", "*.json"))
	if err != nil || len(seeds) < 5 {
		f.Fatal("no documents", err)
	}
	for _, path := range seeds {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, kind := range []results.Kind{results.KindVerdict, results.KindCapacity, results.KindTuning} {
		f.Add(fmt.Appendf(nil, `{"schema":"etcdbench.%s/v1","low":1e308,"rules":{"looks":[1]},"metrics":[{}],"probes":[{"rate":-1e308,"p50_ns":1},{"rate":1e308,"p50_ns":1}],"usl":{},"plan":{"member_down_safe_rate":1},"tried":[{},{}],"compared":{}}`, kind))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var saved []results.Saved
		if v, err := results.DecodeVerdict(data); err == nil {
			saved = append(saved, results.Saved{Kind: results.KindVerdict, Verdict: v})
		}
		if c, err := results.DecodeCapacity(data); err == nil {
			saved = append(saved, results.Saved{Kind: results.KindCapacity, Capacity: c})
		}
		if tuning, err := results.DecodeTuning(data); err == nil {
			saved = append(saved, results.Saved{Kind: results.KindTuning, Tuning: tuning})
		}
		for _, s := range saved {
			checkForm(t, Item{Saved: s})
		}
	})
}
