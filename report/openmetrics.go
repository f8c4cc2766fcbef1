package report

import (
	"io"
	"math"
	"strconv"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// openMetrics are the families that a report fills.
type openMetrics struct {
	operations, throughput, errors, response, bounds, service, cost, omitted *dto.MetricFamily
}

// writeOpenMetrics writes the measured operations as OpenMetrics text: counters
// by outcome, response and service times as summaries in seconds, and what an
// operation cost the server. Percentiles that are not resolved are left out. Those that
// are lower bounds are gauges of their own, so that no program takes them for exact.
func writeOpenMetrics(w io.Writer, docs []Document) error {
	m := openMetrics{
		operations: family("etcdbench_operations_total", "Operations by outcome.", dto.MetricType_COUNTER),
		throughput: family("etcdbench_throughput", "Completed operations per second.", dto.MetricType_GAUGE),
		errors: family("etcdbench_error_rate", "Share of operations that failed, were dropped or did not finish.",
			dto.MetricType_GAUGE),
		response: family("etcdbench_response_time_seconds",
			"Response time of completed operations, and of unfinished ones its lower bound.", dto.MetricType_SUMMARY),
		bounds: family("etcdbench_response_time_at_least_seconds",
			"Quantiles of the response time that are lower bounds.", dto.MetricType_GAUGE),
		service: family("etcdbench_service_time_seconds", "Service time of completed operations.", dto.MetricType_SUMMARY),
		cost:    family("etcdbench_server_cost", "What one operation cost the server, by figure.", dto.MetricType_GAUGE),
		omitted: family("etcdbench_omitted_operations", "Kinds of operations that only the result document contains.", dto.MetricType_GAUGE),
	}
	for _, d := range docs {
		for _, o := range content.Operations(d.Run) {
			m.add(d, o)
		}
		if n := content.OmittedOperations(d.Run); n > 0 {
			pairs := labelPairs("run", d.ID, "workload", d.Plan.Workload)
			m.omitted.Metric = append(m.omitted.Metric, &dto.Metric{Label: pairs, Gauge: &dto.Gauge{Value: ptr(float64(n))}})
		}
		if d.Server == nil {
			continue
		}
		for _, c := range d.Server.Cost {
			for _, f := range results.CostFigures() {
				if v, ok := c.Figures[f.Name]; ok {
					pairs := labelPairs("run", d.ID, "workload", d.Plan.Workload, "phase", c.Phase, "member", c.Member, "figure", f.Name, "unit", f.Unit)
					m.cost.Metric = append(m.cost.Metric, &dto.Metric{Label: pairs, Gauge: &dto.Gauge{Value: &v}})
				}
			}
		}
	}
	for _, f := range []*dto.MetricFamily{m.operations, m.throughput, m.errors, m.response, m.bounds, m.service, m.cost, m.omitted} {
		if len(f.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToOpenMetrics(w, f); err != nil {
			return err
		}
	}
	_, err := expfmt.FinalizeOpenMetrics(w)
	return err
}

// add adds an operation's metrics.
func (m openMetrics) add(d Document, o results.Operation) {
	labels := func(more ...string) []*dto.LabelPair {
		return labelPairs(append([]string{"run", d.ID, "workload", d.Plan.Workload, "phase", o.Phase, "operation", o.Op}, more...)...)
	}
	gauge := func(f *dto.MetricFamily, v float64, more ...string) {
		f.Metric = append(f.Metric, &dto.Metric{Label: labels(more...), Gauge: &dto.Gauge{Value: &v}})
	}
	for _, outcome := range []struct {
		name string
		n    uint64
	}{{"completed", o.Completed}, {"failed", o.Failed}, {"dropped", o.Dropped}, {"unfinished", o.Unfinished}} {
		m.operations.Metric = append(m.operations.Metric, &dto.Metric{
			Label: labels("outcome", outcome.name), Counter: &dto.Counter{Value: ptr(float64(outcome.n))},
		})
	}
	gauge(m.throughput, o.Throughput)
	gauge(m.errors, o.ErrorRate())
	times := o.Percentiles(content.Percentiles()...)
	for _, q := range times {
		if q.Resolved && q.AtLeast {
			gauge(m.bounds, q.Time.Seconds(), "quantile", strconv.FormatFloat(quantile(q.P), 'g', -1, 64))
		}
	}
	service := o.ServiceTime.Percentiles(content.Percentiles()...)
	m.response.Metric = append(m.response.Metric, &dto.Metric{Label: labels(), Summary: summary(o.ResponseTime, times)})
	m.service.Metric = append(m.service.Metric, &dto.Metric{Label: labels(), Summary: summary(o.ServiceTime, service)})
}

func family(name, help string, kind dto.MetricType) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
}

// labelPairs takes names and values in turns.
func labelPairs(namesAndValues ...string) []*dto.LabelPair {
	var pairs []*dto.LabelPair
	for i := 0; i < len(namesAndValues); i += 2 {
		pairs = append(pairs, &dto.LabelPair{Name: &namesAndValues[i], Value: ptr(words.Clean(namesAndValues[i+1]))})
	}
	return pairs
}

// summary returns a latency with those of its percentiles that are resolved and exact.
func summary(l results.Latency, percentiles []results.Percentile) *dto.Summary {
	s := &dto.Summary{SampleCount: ptr(uint64(l.Count)), SampleSum: ptr(float64(l.Mean) * float64(l.Count) / 1e9)}
	for _, q := range percentiles {
		if q.Resolved && !q.AtLeast {
			s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: ptr(quantile(q.P)), Value: ptr(q.Time.Seconds())})
		}
	}
	return s
}

// quantile returns a percentile as a fraction, without the error of the division.
func quantile(p float64) float64 { return math.Round(p*1000) / 100_000 }

func ptr[T any](v T) *T { return &v }
