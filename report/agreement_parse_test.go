package report

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/perf/benchfmt"
)

// digits is the tolerance of formats that print three significant digits.
const digits = 0.006

// parsers read the figures of each format back and compare them.
var parsers = map[string]func(t *testing.T, a agreementRun, text string, want figures){
	"text": agreeText, "json": agreeJSON, "html": agreeHTML, "markdown": agreeMarkdown, "csv": agreeCSV, "hlog": agreeHLog,
	"hgrm": agreeHGRM, "benchfmt": agreeBenchfmt, "perfdash": agreePerfdash, "openmetrics": agreeOpenMetrics, "junit": agreeJUnit,
}

// number reads what people read: 1,000, 3.24 %, ≥ 3.20 s. It is not ok for what is not
// resolved or not there.
func number(cell string) (v float64, atLeast, ok bool) {
	cell, atLeast = strings.CutPrefix(strings.TrimSpace(cell), "≥ ")
	text, unit, _ := strings.Cut(strings.ReplaceAll(cell, ",", ""), " ")
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, false, false
	}
	return v * map[string]float64{"": 1, "%": 0.01, "µs": 1e3, "ms": 1e6, "s": 1e9}[unit], atLeast, true
}

// addTable reads a table whose first column names the operation.
func (f figures) addTable(head []string, rows [][]string, columns map[string]string) {
	for _, row := range rows {
		for i, cell := range row[:min(len(row), len(head))] {
			name, wanted := columns[head[i]]
			if v, atLeast, ok := number(cell); ok && wanted {
				f.set(strings.TrimSpace(row[0]), name, v, atLeast)
			}
		}
	}
}

var readable = map[string]string{"p50": "p50", "p99": "p99", "ops/s": "throughput", "error rate": "error rate"}

func agreeText(t *testing.T, _ agreementRun, text string, want figures) {
	got := figures{}
	apart := regexp.MustCompile(`\s{2,}`)
	var head []string
	for line := range strings.Lines(text) {
		cells := apart.Split(strings.TrimSpace(line), -1)
		switch {
		case cells[0] == "operation":
			head = cells
		case len(cells) == len(head) && (head[1] != "time" || cells[1] == "response"):
			got.addTable(head, [][]string{cells}, readable)
		}
	}
	agree(t, "text", got, want, digits, allFigures, listedOperations...)
}

func agreeMarkdown(t *testing.T, _ agreementRun, text string, want figures) {
	got := figures{}
	var head []string
	for line := range strings.Lines(text) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if cells[0] == "operation" {
			head = cells
		} else if len(cells) == len(head) {
			got.addTable(head, [][]string{cells}, readable)
		}
	}
	agree(t, "markdown", got, want, digits, allFigures, listedOperations...)
}

func agreeJSON(t *testing.T, _ agreementRun, text string, want figures) {
	var doc struct {
		Operations []struct {
			Phase, Op    string
			Throughput   float64
			ErrorRate    float64        `json:"error_rate"`
			ResponseTime map[string]any `json:"response_time"`
			LowerBounds  []string       `json:"lower_bounds"`
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	got := figures{}
	for _, o := range doc.Operations {
		key := o.Phase + " " + o.Op
		got.set(key, "throughput", o.Throughput, false)
		got.set(key, "error rate", o.ErrorRate, false)
		for _, p := range []string{"p50", "p99"} {
			if v, ok := o.ResponseTime[p].(float64); ok {
				got.set(key, p, v, slices.Contains(o.LowerBounds, p))
			}
		}
	}
	agree(t, "json", got, want, 1e-9, allFigures, listedOperations...)
}

// htmlTable is a table of a page.
type htmlTable struct {
	head []string
	rows [][]string
}

var (
	htmlTableForm = regexp.MustCompile(`(?s)<table[^>]*>(.*?)</table>`)
	htmlRowForm   = regexp.MustCompile(`(?s)<tr>(.*?)</tr>`)
	htmlCellForm  = regexp.MustCompile(`(?s)<t[hd][^>]*>(.*?)</t[hd]>`)
)

// tableOf returns the first table of a page whose heading begins like that.
func tableOf(t *testing.T, page string, begin ...string) htmlTable {
	t.Helper()
	for _, m := range htmlTableForm.FindAllStringSubmatch(page, -1) {
		var table htmlTable
		for _, r := range htmlRowForm.FindAllStringSubmatch(m[1], -1) {
			var row []string
			for _, c := range htmlCellForm.FindAllStringSubmatch(r[1], -1) {
				row = append(row, html.UnescapeString(c[1]))
			}
			if table.head == nil {
				table.head = row
			} else {
				table.rows = append(table.rows, row)
			}
		}
		if len(table.head) >= len(begin) && slices.Equal(table.head[:len(begin)], begin) {
			return table
		}
	}
	t.Fatalf("no table %q", begin)
	return htmlTable{}
}

// measuredSeconds are the keys of the seconds, without those of one operation.
func (a agreementRun) measuredSeconds() (keys []string) {
	for n := range a.seconds {
		keys = append(keys, fmt.Sprint(n))
	}
	return keys
}

func agreeHTML(t *testing.T, a agreementRun, page string, want figures) {
	got := figures{}
	operations := tableOf(t, page, "operation", "ops/s")
	got.addTable(operations.head, operations.rows, readable)
	agree(t, "html's operations", got, want, digits, allFigures, listedOperations...)

	_, pooled, _ := strings.Cut(page, pooledChart)
	overTime, rates := tableOf(t, pooled, "from", "phase", "completed"), tableOf(t, page, "from", "completed/s")
	if len(overTime.rows) != len(a.seconds) || len(rates.rows) != len(a.seconds) {
		t.Fatalf("%d and %d rows of %d seconds", len(overTime.rows), len(rates.rows), len(a.seconds))
	}
	for n := range a.seconds {
		overTime.rows[n][0], rates.rows[n][0] = fmt.Sprint(n), fmt.Sprint(n)
	}
	got.addTable(overTime.head, overTime.rows, readable)
	got.addTable(rates.head, rates.rows, map[string]string{"completed/s": "throughput", "error rate": "error rate"})
	agree(t, "html's seconds", got, want, digits, allFigures, a.measuredSeconds()...)

	for _, row := range tableOf(t, page, "percentile", "response time").rows {
		name := "p" + strings.TrimSuffix(row[0], " %")
		if v, atLeast, ok := number(row[1]); ok {
			got.set("all", name, v, atLeast)
		}
	}
	agree(t, "html's percentiles", got, want, digits, []string{"p50", "p99"}, "all")
	agreeDrawn(t, a, page, want)
}

// pooledChart begins the chart of all operations together.
const pooledChart = `aria-label="all operations: response time`

var drawnLine = regexp.MustCompile(`<path class="line [^"]*" data-series="(\d)" d="([^"]*)"><title>([^<]*)</title>`)

// agreeDrawn compares the places of the lines of response times with the values. The axis
// is logarithmic, from nine tenths of the least to eleven of the greatest.
func agreeDrawn(t *testing.T, a agreementRun, page string, want figures) {
	_, chart, ok := strings.Cut(page, pooledChart)
	if !ok {
		t.Fatal("no chart of response times")
	}
	chart, _, _ = strings.Cut(chart, "</svg>")
	drawn := map[string][]float64{}
	for _, m := range drawnLine.FindAllStringSubmatch(chart, -1) {
		for _, point := range regexp.MustCompile(`[ML]([-\d.]+) ([-\d.]+)`).FindAllStringSubmatch(m[2], -1) {
			y, err := strconv.ParseFloat(point[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			drawn[m[3]] = append(drawn[m[3]], y)
		}
	}
	low, high, lowest, highest := math.Inf(1), 0.0, 0.0, math.Inf(1)
	for _, name := range []string{"p50", "p99"} {
		for _, y := range drawn[name] {
			lowest, highest = max(lowest, y), min(highest, y)
		}
		for _, key := range a.measuredSeconds() {
			if f, ok := want[key][name]; ok {
				low, high = min(low, f.value), max(high, f.value)
			}
		}
	}
	for _, name := range []string{"p50", "p99"} {
		k := 0
		for _, key := range a.measuredSeconds() {
			f, ok := want[key][name]
			if !ok {
				continue
			}
			if k >= len(drawn[name]) {
				t.Fatalf("%s is drawn at %d places only", name, len(drawn[name]))
			}
			share := (lowest - drawn[name][k]) / (lowest - highest)
			if v := low * math.Pow(high/low, share); math.Abs(v-f.value) > 0.02*f.value {
				t.Errorf("%s of second %s is drawn at %v ns, want %v", name, key, v, f.value)
			}
			k++
		}
		if k != len(drawn[name]) {
			t.Errorf("%s is drawn at %d places, want %d", name, len(drawn[name]), k)
		}
	}
}

// agreeOverlay reads the table of several runs.
func agreeOverlay(t *testing.T, a agreementRun, want figures) {
	overlaid := tableOf(t, write(t, "html", a.Document, a.Document), "run", "operation")
	if len(overlaid.rows) != 2*len(listedOperations) {
		t.Fatalf("%d rows", len(overlaid.rows))
	}
	for _, rows := range [][][]string{overlaid.rows[:len(listedOperations)], overlaid.rows[len(listedOperations):]} {
		got := figures{}
		for _, row := range rows {
			got.addTable(overlaid.head[1:], [][]string{row[1:]}, readable)
		}
		agree(t, "overlay", got, want, digits, allFigures, listedOperations...)
	}
}

func agreeCSV(t *testing.T, a agreementRun, text string, want figures) {
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]int{}
	for i, name := range rows[0] {
		place[name] = i
	}
	got := figures{}
	var keys []string
	for _, row := range rows[1:] {
		key := row[place["interval"]] + " " + row[place["operation_phase"]] + " " + row[place["operation"]]
		keys = append(keys, key)
		for column, name := range map[string]string{
			"response_p50_ns": "p50", "response_p99_ns": "p99", "throughput_per_s": "throughput", "error_rate": "error rate",
		} {
			if v, _, ok := number(row[place[column]]); ok {
				got.set(key, name, v, slices.Contains(strings.Fields(row[place["lower_bounds"]]), name))
			}
		}
	}
	n := 0
	for _, second := range a.seconds {
		n += len(second)
	}
	if len(keys) != n {
		t.Errorf("%d lines, want %d", len(keys), n)
	}
	agree(t, "csv", got, want, 1e-9, allFigures, keys...)
}

var (
	outcomesForm = regexp.MustCompile(
		`throughput ([^ ]+)/s, error rate ([^\];]+)(?:; \d+ of \d+ response times are lower bounds, from (\d+) ns on)?\]`)
	nextForm = regexp.MustCompile(`#\[(\S+): (\d+) of the next (\d+) are lower bounds\]`)
)

// addOutcomes reads a remark about an operation. It returns the least lower bound, and 0
// without one.
func (f figures) addOutcomes(t *testing.T, key, line string) (least int64) {
	t.Helper()
	m := outcomesForm.FindStringSubmatch(line)
	if m == nil {
		t.Fatalf("no outcomes in %q", line)
	}
	for i, name := range []string{"throughput", "error rate"} {
		v, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			t.Fatal(err)
		}
		f.set(key, name, v, false)
	}
	least, _ = strconv.ParseInt(m[3], 10, 64)
	return least
}

func agreeHLog(t *testing.T, a agreementRun, text string, want figures) {
	got, bounds := figures{}, map[string]int64{}
	unfinished := 0
	for line := range strings.Lines(text) {
		if m := nextForm.FindStringSubmatch(line); m != nil {
			n, err := strconv.Atoi(m[2])
			if err != nil {
				t.Fatal(err)
			}
			unfinished += n
		} else if strings.Contains(line, "throughput") {
			key, _, _ := strings.Cut(strings.TrimPrefix(line, "#["), ": ")
			key = strings.ReplaceAll(key, ":", " ")
			bounds[key] = got.addOutcomes(t, key, line)
		}
	}
	all := 0
	for _, o := range a.selected(func(_ int, o outcomes) bool { return true }) {
		all += len(o.unfinished)
	}
	if unfinished != all {
		t.Errorf("%d lower bounds, want %d", unfinished, all)
	}
	sums := map[string]*hdrhistogram.Histogram{}
	log := hdrhistogram.NewHistogramLogReader(strings.NewReader(text))
	for {
		h, err := log.NextIntervalHistogram()
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		key := strings.ReplaceAll(h.Tag(), ":", " ")
		if sums[key] == nil {
			sums[key] = hdrhistogram.New(1000, int64(10*time.Minute), 3)
		}
		sums[key].Merge(h)
	}
	for key, h := range sums {
		for _, p := range []float64{50, 99} {
			v := h.ValueAtPercentile(p)
			if float64(h.TotalCount())*(100-p) >= 1000 {
				got.set(key, fmt.Sprint("p", p), float64(v), bounds[key] > 0 && v >= bounds[key])
			}
		}
	}
	agree(t, "hlog", got, want, 1e-9, allFigures, listedOperations...)
}

func agreeHGRM(t *testing.T, _ agreementRun, text string, want figures) {
	got := figures{}
	key, least, before := "", int64(0), 0.0
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case strings.Contains(line, " response time, ms]"):
			key = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "#[agreement "), " response time, ms]")
			before = 0
		case strings.Contains(line, " service time, ms]"):
			key = ""
		case strings.Contains(line, "throughput") && key != "":
			least = got.addOutcomes(t, key, line)
		case len(fields) == 4 && key != "" && fields[0] != "Value":
			ms, err1 := strconv.ParseFloat(fields[0], 64)
			share, err2 := strconv.ParseFloat(fields[1], 64)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			// The lines are at other percentiles than ours: the first at or beyond counts.
			for _, p := range []float64{0.5, 0.99} {
				if before < p && share >= p && share < 1 {
					got.set(key, fmt.Sprint("p", 100*p), ms*1e6, least > 0 && ms*1e6 >= float64(least)*0.9999)
				}
			}
			before = share
		}
	}
	agree(t, "hgrm", got, want, 1e-3, []string{"p50", "throughput", "error rate"}, listedOperations...)
	// Between the percentile of the line and p99, times differ by a few percent.
	agree(t, "hgrm", got, want, 0.1, []string{"p99"}, listedOperations...)
}

func agreeBenchfmt(t *testing.T, _ agreementRun, text string, want figures) {
	got := figures{}
	name := regexp.MustCompile(`phase=(\w+)/op=(\w+)`)
	reader := benchfmt.NewReader(strings.NewReader(text), "test")
	for reader.Scan() {
		r, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		m := name.FindStringSubmatch(r.Name.String())
		for _, v := range r.Values {
			value, unit := v.Value, v.Unit
			if v.OrigUnit != "" {
				value, unit = v.OrigValue, v.OrigUnit
			}
			switch {
			case unit == "op/s":
				got.set(m[1]+" "+m[2], "throughput", value, false)
			case unit == "errors/op":
				got.set(m[1]+" "+m[2], "error rate", value, false)
			case strings.HasSuffix(unit, "-at-least-ns"):
				got.set(m[1]+" "+m[2], strings.TrimSuffix(unit, "-at-least-ns"), value, true)
			case strings.HasSuffix(unit, "-ns"):
				got.set(m[1]+" "+m[2], strings.TrimSuffix(unit, "-ns"), value, false)
			}
		}
	}
	agree(t, "benchfmt", got, want, 1e-6, allFigures, listedOperations...)
}

func agreePerfdash(t *testing.T, _ agreementRun, text string, want figures) {
	var doc struct {
		DataItems []struct {
			Data   map[string]float64
			Labels map[string]string
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	got := figures{}
	for _, item := range doc.DataItems {
		key := strings.ToLower(item.Labels["Operation"])
		for name, v := range item.Data {
			switch name {
			case "ErrorRate":
				got.set(key, "error rate", v, false)
			default:
				got.set(key, "p"+strings.TrimPrefix(name, "Perc"), v*1e6, slices.Contains(strings.Fields(item.Labels["LowerBounds"]), name))
			}
		}
	}
	agree(t, "perfdash", got, want, 2e-4, []string{"p50", "p99", "error rate"}, listedOperations...)
}

func agreeOpenMetrics(t *testing.T, _ agreementRun, text string, want figures) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(strings.TrimSuffix(text, "# EOF\n")))
	if err != nil {
		t.Fatal(err)
	}
	got := figures{}
	for name, figure := range map[string]string{
		"etcdbench_throughput": "throughput", "etcdbench_error_rate": "error rate",
		"etcdbench_response_time_seconds": "", "etcdbench_response_time_at_least_seconds": "",
	} {
		for _, m := range families[name].GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			key := labels["phase"] + " " + labels["operation"]
			if figure != "" {
				got.set(key, figure, m.GetGauge().GetValue(), false)
			}
			for _, q := range m.GetSummary().GetQuantile() {
				got.set(key, fmt.Sprintf("p%g", 100*q.GetQuantile()), q.GetValue()*1e9, false)
			}
			if q, err := strconv.ParseFloat(labels["quantile"], 64); err == nil {
				got.set(key, fmt.Sprintf("p%g", 100*q), m.GetGauge().GetValue()*1e9, true)
			}
		}
	}
	agree(t, "openmetrics", got, want, 1e-6, allFigures, listedOperations...)
}

func agreeJUnit(t *testing.T, _ agreementRun, text string, want figures) {
	var suites junitSuites
	if err := xml.Unmarshal([]byte(text), &suites); err != nil {
		t.Fatal(err)
	}
	got := figures{}
	for _, p := range suites.Suites[0].Properties {
		parts := strings.SplitN(p.Name, ".", 3)
		key, name := parts[0]+" "+parts[1], strings.TrimPrefix(parts[2], "response_time.")
		name, atLeast := strings.CutSuffix(strings.TrimSuffix(name, ".ns"), ".at_least")
		got.set(key, strings.ReplaceAll(name, "_", " "), p.Value, atLeast)
	}
	agree(t, "junit", got, want, 1e-9, allFigures, listedOperations...)
}
