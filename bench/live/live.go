// Package live shows runs during their execution. An [Exporter] serves them to
// Prometheus: counters of operations, response and service times as classic and as
// native histograms, in seconds. A [Page] serves the page of a report to browsers. What
// they show lags by up to one interval, which is a second. Results are saved in
// documents instead.
package live

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/etcdbench/etcdbench/results"
)

// nativeSchema is the resolution of native histograms: eight buckets per power of two.
const nativeSchema = 3

// classicBounds are the classic histograms' upper bounds, in seconds.
var classicBounds = [...]float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10}

// Exporter is an observer that serves the figures of a run, or of several runs one after the
// other.
type Exporter struct {
	registry *prometheus.Registry

	mu         sync.Mutex
	run        *results.Run
	operations map[key]*operation
	last       results.Interval
}

type key struct{ phase, op string }

// operation holds the counts and times of one kind of operation since the start of the run.
type operation struct {
	outcomes          map[string]uint64
	response, service histogram
}

// histogram counts times by bucket, in seconds.
type histogram struct {
	count   uint64
	sum     float64
	classic [len(classicBounds)]uint64
	native  map[int]int64
}

// New returns an exporter without a run.
func New() (*Exporter, error) {
	e := &Exporter{registry: prometheus.NewRegistry(), operations: map[key]*operation{}}
	if err := e.registry.Register(collector{e}); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	return e, nil
}

// Serve answers scrapes at a listener until the listener is closed.
func (e *Exporter) Serve(l net.Listener) error {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	return serve(l, mux)
}

// serve answers requests at a listener until the listener is closed.
func serve(l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, MaxHeaderBytes: 16 << 10}
	err := s.Serve(l)
	closeErr := s.Close()
	if errors.Is(err, net.ErrClosed) {
		return closeErr
	}
	return errors.Join(err, closeErr)
}

// Start implements bench.Observer. It removes the figures of the previous run: each run has its
// own label.
func (e *Exporter) Start(run *results.Run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.run, e.operations, e.last = run, map[key]*operation{}, results.Interval{}
	return nil
}

// Interval implements bench.Observer.
func (e *Exporter) Interval(i *results.Interval) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range i.Operations {
		k := key{o.Phase, o.Op}
		if e.operations[k] == nil {
			e.operations[k] = &operation{outcomes: map[string]uint64{}}
		}
		op := e.operations[k]
		for name, n := range map[string]uint64{"completed": o.Completed, "failed": o.Failed, "dropped": o.Dropped, "unfinished": o.Unfinished} {
			op.outcomes[name] += n
		}
		if err := errors.Join(op.response.add(o.ResponseTime), op.service.add(o.ServiceTime)); err != nil {
			return err
		}
	}
	e.last = *i
	return nil
}

// Finish implements bench.Observer.
func (e *Exporter) Finish(*results.Run) error { return nil }

func (h *histogram) add(l results.Latency) error {
	h.count += uint64(l.Count)
	h.sum += float64(l.Mean) * float64(l.Count) / 1e9
	if h.native == nil {
		h.native = map[int]int64{}
	}
	return l.EachBucket(func(ns, n int64) {
		seconds := float64(max(ns, 1)) / 1e9
		if i, _ := slices.BinarySearch(classicBounds[:], seconds); i < len(classicBounds) {
			h.classic[i] += uint64(n)
		}
		// Prometheus: bucket i holds the values above 2^((i−1)/2^schema) and up to
		// 2^(i/2^schema).
		h.native[int(math.Ceil(math.Log2(seconds)*(1<<nativeSchema)))] += n
	})
}

// collector is the exporter's interface to the registry.
type collector struct{ *Exporter }

// Describe sends nothing, because the metrics depend on the run.
func (c collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.run == nil {
		return
	}
	labels := prometheus.Labels{"run": c.run.ID, "workload": c.run.Plan.Workload}
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("etcdbench_"+name, help, variable, labels)
	}
	gauge := func(name, help string, v float64) {
		ch <- prometheus.MustNewConstMetric(desc(name, help), prometheus.GaugeValue, v)
	}
	gauge("target_writes_per_second", "Target of the run, in writes per second.", c.run.Plan.Target)
	gauge("in_flight", "Operations in flight at the end of the last second.", float64(c.last.InFlight))
	gauge("queued", "Arrivals that waited for a client at the end of the last second.", float64(c.last.Queued))
	gauge("generator_cpu_share", "CPU time of the generator in the last second, as a share of the CPUs that it may use.", c.last.Generator.CPU)
	gauge("send_lag_p99_seconds", "Send lag of the generator in the last second, 99th percentile.",
		c.last.Generator.SendLag.Seconds())
	operations := desc("operations_total", "Operations by outcome.", "phase", "operation", "outcome")
	response := desc("response_time_seconds",
		"Response time of completed operations, and of unfinished ones its lower bound.", "phase", "operation")
	service := desc("service_time_seconds", "Service time of completed operations.", "phase", "operation")
	for k, o := range c.operations {
		for _, outcome := range slices.Sorted(maps.Keys(o.outcomes)) {
			ch <- prometheus.MustNewConstMetric(operations, prometheus.CounterValue, float64(o.outcomes[outcome]), k.phase, k.op, outcome)
		}
		ch <- o.response.metric(response, c.run.Started, k)
		ch <- o.service.metric(service, c.run.Started, k)
	}
}

// metric returns the present histogram, both classic and native.
func (h *histogram) metric(desc *prometheus.Desc, created time.Time, k key) prometheus.Metric {
	buckets, below := map[float64]uint64{}, uint64(0)
	for i, bound := range classicBounds {
		below += h.classic[i]
		buckets[bound] = below
	}
	classic, err := prometheus.NewConstHistogram(desc, h.count, h.sum, buckets, k.phase, k.op)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	native, err := prometheus.NewConstNativeHistogram(
		desc, h.count, h.sum, maps.Clone(h.native), nil, 0, nativeSchema, 0, created, k.phase, k.op)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return both{native, classic}
}

// both is a native histogram with the buckets of a classic one.
type both struct {
	prometheus.Metric
	classic prometheus.Metric
}

// Write implements prometheus.Metric.
func (b both) Write(out *dto.Metric) error {
	var classic dto.Metric
	if err := errors.Join(b.Metric.Write(out), b.classic.Write(&classic)); err != nil {
		return err
	}
	out.Histogram.Bucket = classic.Histogram.Bucket
	return nil
}
