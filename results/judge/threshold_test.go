package judge

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseThreshold(t *testing.T) {
	for text, want := range map[string]Threshold{
		"put.response_time.p99 < 20ms":                           {Op: "put", Metric: "response_time.p99", Comparison: "<", Value: 20e6},
		"put.throughput>=10000/s":                                {Op: "put", Metric: "throughput", Comparison: ">=", Value: 10000},
		"pods/update.service_time.p99.9 <= 1.5s":                 {Op: "pods/update", Metric: "service_time.p99.9", Comparison: "<=", Value: 1.5e9},
		"measure:put.failed == 0":                                {Phase: "measure", Op: "put", Metric: "failed", Comparison: "=="},
		"put.failed == 0":                                        {Op: "put", Metric: "failed", Comparison: "==", Value: 0},
		"p99 < 50ms":                                             {Metric: "response_time.p99", Comparison: "<", Value: 50e6},
		"put.p99.9 <= 1s":                                        {Op: "put", Metric: "response_time.p99.9", Comparison: "<=", Value: 1e9},
		"measure:max < 1s":                                       {Phase: "measure", Metric: "response_time.max", Comparison: "<", Value: 1e9},
		"error_rate < 1%":                                        {Metric: "failed_ratio", Comparison: "<", Value: 0.01},
		"put.error_rate<1 %":                                     {Op: "put", Metric: "failed_ratio", Comparison: "<", Value: 0.01},
		"throughput >= 9000/s":                                   {Metric: "throughput", Comparison: ">=", Value: 9000},
		"service_time.p50 < 1ms":                                 {Metric: "service_time.p50", Comparison: "<", Value: 1e6},
		"availability >= 99.9%":                                  {Metric: "availability", Comparison: ">=", Value: 0.999},
		"put.failed_ratio < 0.1%":                                {Op: "put", Metric: "failed_ratio", Comparison: "<", Value: 0.001},
		"put.throughput > 9 for every 10s window":                {Op: "put", Metric: "throughput", Comparison: ">", Value: 9, Window: 10 * time.Second},
		"put.response_time.stddev < 100µs":                       {Op: "put", Metric: "response_time.stddev", Comparison: "<", Value: 100e3},
		"txn-put.all_response_time.max < 1m for every 1m window": {Op: "txn-put", Metric: "all_response_time.max", Comparison: "<", Value: 60e9, Window: time.Minute},
	} {
		got, err := ParseThreshold(text)
		want.Text = text
		if err != nil || math.Abs(got.Value-want.Value) > 1e-9*want.Value {
			t.Errorf("%s: %+v %v", text, got, err)
		}
		if got.Value = want.Value; got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
	for text, want := range map[string]string{
		"":                                     "use METRIC < VALUE",
		"put < 3":                              "use METRIC < VALUE",
		"put.response_time.p99 < 20":           "needs a unit",
		"put.response_time.p99 < 20bytes":      "needs a unit",
		"put.response_time.p98 < 20ms":         `"p98" is not a percentile`,
		"put.latency.p99 < 20ms":               `no metric "latency.p99"`,
		"put.throughput < 20ms":                `no unit "ms"`,
		"put.failed == 0%":                     `no unit "%"`,
		"put.availability >= 99%":              "applies to the whole run",
		"put.failed == 1.2.3":                  "is not a number",
		":.failed == 0":                        "use PHASE:OPERATION",
		"measure:.failed == 0":                 "use PHASE:OPERATION",
		":put.failed == 0":                     "use PHASE:OPERATION",
		"put.response_time.p99 < 1e300h":       "is out of range",
		"put.failed == 0 for every 1ms window": "a window is",
		strings.Repeat("x", 1000):              "longer than",
	} {
		if _, err := ParseThreshold(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	f.Add("put.response_time.p99 < 20ms for every 10s window")
	f.Add("a.failed==1e999")
	f.Add(":.failed==0")
	f.Add("put.response_time.p99 < 1e300h")
	f.Fuzz(func(t *testing.T, text string) {
		if th, err := ParseThreshold(text); err == nil && (th.Metric == "" || math.IsNaN(th.Value) || math.IsInf(th.Value, 0)) {
			t.Errorf("%q: %+v", text, th)
		}
	})
}
