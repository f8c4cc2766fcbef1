package report

import (
	"io"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/etcdbench/etcdbench/results"
)

// writeOpenMetrics writes the measured operations as OpenMetrics text: counters
// by outcome, response and service times as summaries in seconds, and what an
// operation cost the server.
func writeOpenMetrics(w io.Writer, docs []Document) error {
	operations := family("etcdbench_operations_total", "Operations by what became of them.", dto.MetricType_COUNTER)
	response := family("etcdbench_response_time_seconds", "Response time of completed operations.", dto.MetricType_SUMMARY)
	service := family("etcdbench_service_time_seconds", "Service time of completed operations.", dto.MetricType_SUMMARY)
	throughput := family("etcdbench_throughput", "Completed operations per second.", dto.MetricType_GAUGE)
	cost := family("etcdbench_server_cost", "What one operation cost the server, by figure.", dto.MetricType_GAUGE)
	for _, d := range docs {
		for _, o := range shownOperations(d.Run) {
			labels := func(more ...string) []*dto.LabelPair {
				return labelPairs(append([]string{"run", d.ID, "workload", d.Plan.Workload, "phase", o.Phase, "operation", o.Op}, more...)...)
			}
			for _, outcome := range []struct {
				name string
				n    uint64
			}{{"completed", o.Completed}, {"failed", o.Failed}, {"dropped", o.Dropped}, {"unfinished", o.Unfinished}} {
				operations.Metric = append(operations.Metric, &dto.Metric{Label: labels("outcome", outcome.name), Counter: &dto.Counter{Value: ptr(float64(outcome.n))}})
			}
			throughput.Metric = append(throughput.Metric, &dto.Metric{Label: labels(), Gauge: &dto.Gauge{Value: &o.Throughput}})
			response.Metric = append(response.Metric, &dto.Metric{Label: labels(), Summary: summary(o.ResponseTime)})
			service.Metric = append(service.Metric, &dto.Metric{Label: labels(), Summary: summary(o.ServiceTime)})
		}
		if d.Server == nil {
			continue
		}
		for _, c := range d.Server.Cost {
			for _, f := range results.CostFigures() {
				if v, ok := c.Figures[f.Name]; ok {
					pairs := labelPairs("run", d.ID, "workload", d.Plan.Workload, "phase", c.Phase, "member", c.Member, "figure", f.Name, "unit", f.Unit)
					cost.Metric = append(cost.Metric, &dto.Metric{Label: pairs, Gauge: &dto.Gauge{Value: &v}})
				}
			}
		}
	}
	for _, f := range []*dto.MetricFamily{operations, throughput, response, service, cost} {
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

func family(name, help string, kind dto.MetricType) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &kind}
}

// labelPairs takes names and values in turns.
func labelPairs(namesAndValues ...string) []*dto.LabelPair {
	var pairs []*dto.LabelPair
	for i := 0; i < len(namesAndValues); i += 2 {
		pairs = append(pairs, &dto.LabelPair{Name: &namesAndValues[i], Value: ptr(clean(namesAndValues[i+1]))})
	}
	return pairs
}

func summary(l results.Latency) *dto.Summary {
	s := &dto.Summary{SampleCount: ptr(uint64(l.Count)), SampleSum: ptr(float64(l.Mean) * float64(l.Count) / 1e9)}
	for _, q := range percentiles(l) {
		if l.Resolved(q.p) {
			s.Quantile = append(s.Quantile, &dto.Quantile{Quantile: ptr(q.p / 100), Value: ptr(float64(q.ns) / 1e9)})
		}
	}
	return s
}

func ptr[T any](v T) *T { return &v }
