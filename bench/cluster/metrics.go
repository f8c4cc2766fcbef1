package cluster

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// Sampler reads every member's metrics when an interval ends, beside the load,
// and adds what it read to the next interval. A member that does not answer
// leaves a gap. It is used by one goroutine at a time.
type Sampler struct {
	members []Member
	// shared says that the members have one account with the generator, of which
	// no cost can be told.
	shared bool
	urls   []string
	client *http.Client
	bounds map[string][]float64

	clock   func() time.Duration
	pending chan []results.Reading
	reading sync.WaitGroup
	busy    atomic.Bool
	cancel  context.CancelFunc
	ctx     context.Context

	first, last []results.Reading
	asked       []int
	missed      []int
	// The readings at the boundaries of the phase that goes on, and those of the
	// phases that are over.
	phase  string
	begin  []results.Reading
	phases []phaseReadings
}

// phaseReadings are those around one phase.
type phaseReadings struct {
	name       string
	begin, end []results.Reading
}

// A reading must be there before the next is due.
const readTimeout = 800 * time.Millisecond

// maxMetrics bounds what a member may answer: etcd's page has some 200 KiB.
const maxMetrics = 8 << 20

// NewSampler reads the metrics that the members serve at their client addresses,
// or at those given, in the members' order.
func NewSampler(c Cluster, addresses ...string) *Sampler {
	s := &Sampler{members: c.Members(), bounds: map[string][]float64{}, pending: make(chan []results.Reading, 1)}
	if s.shared = c.Describe().Kind == "in-process"; s.shared {
		s.members = s.members[:1] // whose registry is everybody's
	}
	scheme := "http://"
	if c.TLS() != nil {
		scheme = "https://"
	}
	for i, m := range s.members {
		address := m.Endpoint
		if i < len(addresses) {
			address = addresses[i]
		}
		if !strings.Contains(address, "://") {
			address = scheme + address
		}
		s.urls = append(s.urls, strings.TrimSuffix(address, "/")+"/metrics")
	}
	s.asked, s.missed = make([]int, len(s.members)), make([]int, len(s.members))
	s.client = &http.Client{Timeout: readTimeout, Transport: &http.Transport{TLSClientConfig: c.TLS(), MaxIdleConnsPerHost: 1}}
	return s
}

// Begin reads once, before the load. clock is the run's.
func (s *Sampler) Begin(ctx context.Context, clock func() time.Duration) {
	s.clock = clock
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.first = s.read()
	s.last = s.first
	s.begin = s.first
}

// Sample adds what was last read to the interval and has the members read again.
// It does not wait: what has not come by now comes with the next interval.
func (s *Sampler) Sample(i *results.Interval) {
	select {
	case readings := <-s.pending:
		s.take(readings)
		i.Members = readings
	default:
	}
	if i.Phase != s.phase {
		s.change(i.Phase)
	}
	if !s.busy.CompareAndSwap(false, true) {
		return // the members take their time
	}
	s.reading.Go(func() {
		s.pending <- s.read()
		s.busy.Store(false)
	})
}

// change ends a phase at the last readings, which were asked for when it ended.
func (s *Sampler) change(name string) {
	if s.phase != "" {
		s.phases = append(s.phases, phaseReadings{s.phase, s.begin, s.last})
	}
	s.phase, s.begin = name, s.last
}

// End reads once more, after the load, and puts the totals into the run.
func (s *Sampler) End(run *results.Run) {
	defer s.cancel()
	s.reading.Wait()
	select {
	case readings := <-s.pending:
		s.take(readings)
	default:
	}
	s.change("")
	s.take(s.read())
	server := &results.Server{Bounds: s.bounds}
	for k, m := range s.members {
		member := results.ServerMember{Member: memberName(m), Readings: s.asked[k], Missed: s.missed[k], Last: map[string]float64{}, Times: map[string]results.BucketTimes{}}
		member.Growth = growth(s.first[k], s.last[k])
		for _, metric := range results.Metrics() {
			if v, ok := s.last[k].Values[metric.Name]; ok && !metric.Counter {
				member.Last[metric.Name] = v
			}
		}
		for name, sum := range map[string]string{results.HistogramFsync: "fsync_time", results.HistogramCommit: "commit_time"} {
			if t := results.NewBucketTimes(s.bounds[name], bucketGrowth(s.first[k], s.last[k], name), member.Growth[sum]); t.Count > 0 {
				member.Times[name] = t
			}
		}
		server.Members = append(server.Members, member)
		if member.Missed == member.Readings {
			run.Warn("no-metrics", fmt.Sprintf("%s: %s: give the addresses with --metrics-endpoints", member.Member, s.last[k].Missing))
		}
	}
	if !s.shared {
		server.Cost = s.costs(run)
	}
	run.Server = server
	s.client.CloseIdleConnections()
}

// costs divides what the members used up in each measured phase by the phase's
// operations.
func (s *Sampler) costs(run *results.Run) []results.Cost {
	var costs []results.Cost
	for _, ph := range s.phases {
		operations := completedIn(run, ph.name)
		if operations == 0 {
			continue
		}
		total, complete := map[string]float64{}, true
		var members []results.Cost
		for k, m := range s.members {
			g := growth(ph.begin[k], ph.end[k])
			if g == nil {
				complete = false
				continue
			}
			for name, v := range g {
				total[name] += v
			}
			members = append(members, results.NewCost(ph.name, memberName(m), operations, g))
		}
		if complete { // of some members only, a sum would be a lie
			costs = append(costs, results.NewCost(ph.name, "", operations, total))
		}
		costs = append(costs, members...)
	}
	return costs
}

// completedIn counts the operations that were asked for and completed within a
// measured phase.
func completedIn(run *results.Run, phase string) (n uint64) {
	for _, ph := range run.Plan.Phases {
		if ph.Name == phase && ph.Warmup {
			return 0
		}
	}
	for _, o := range run.Operations {
		if o.Phase == phase && !o.Arrived {
			n += o.Completed - o.CompletedLate
		}
	}
	return n
}

func memberName(m Member) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Endpoint
}

// growth is that of the counters between two readings; nil when one is missing
// or the member was started anew in between.
func growth(from, to results.Reading) map[string]float64 {
	if from.Values == nil || to.Values == nil {
		return nil
	}
	g := map[string]float64{}
	for _, metric := range results.Metrics() {
		a, okA := from.Values[metric.Name]
		b, okB := to.Values[metric.Name]
		if !metric.Counter || !okA || !okB {
			continue
		}
		if b < a {
			return nil
		}
		g[metric.Name] = b - a
	}
	return g
}

func bucketGrowth(from, to results.Reading, name string) []uint64 {
	a, b := from.Buckets[name], to.Buckets[name]
	if len(a) != len(b) {
		return nil
	}
	g := make([]uint64, len(a))
	for i := range a {
		if b[i] < a[i] {
			return nil
		}
		g[i] = b[i] - a[i]
	}
	return g
}

func (s *Sampler) take(readings []results.Reading) {
	for k, r := range readings {
		s.asked[k]++
		if r.Missing != "" {
			s.missed[k]++
		}
	}
	s.last = readings
}

// read asks all members at once.
func (s *Sampler) read() []results.Reading {
	readings := make([]results.Reading, len(s.members))
	pages := make([]map[string]*dto.MetricFamily, len(s.members))
	var wg sync.WaitGroup
	for k, m := range s.members {
		wg.Go(func() {
			r := results.Reading{Member: memberName(m)}
			page, err := s.fetch(s.urls[k])
			r.At = s.clock()
			if err != nil {
				r.Missing = err.Error()
			} else {
				r.Values = values(page, m.PID)
				pages[k] = page
			}
			readings[k] = r
		})
	}
	wg.Wait()
	for k, page := range pages {
		if page != nil {
			readings[k].Buckets = s.buckets(page)
		}
	}
	return readings
}

func (s *Sampler) fetch(url string) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read metrics: %s", resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	page, err := parser.TextToMetricFamilies(io.LimitReader(resp.Body, maxMetrics))
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return page, nil
}

// values picks the metrics that readings hold.
func values(page map[string]*dto.MetricFamily, pid int) map[string]float64 {
	v := map[string]float64{}
	for _, metric := range results.Metrics() {
		name, part := metric.Source, ""
		for _, suffix := range []string{"_sum", "_count"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && page[name] == nil {
				name, part = base, suffix
			}
		}
		if family := page[name]; family != nil {
			v[metric.Name] = sumOf(family, part)
		}
	}
	if written, err := machine.DiskWritten(pid); pid > 0 && err == nil {
		v["disk_written"] = float64(written)
	}
	return v
}

// sumOf adds up a family over its labels.
func sumOf(f *dto.MetricFamily, part string) (sum float64) {
	for _, m := range f.Metric {
		count, total := m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
		if m.Summary != nil {
			count, total = m.GetSummary().GetSampleCount(), m.GetSummary().GetSampleSum()
		}
		switch part {
		case "_count":
			sum += float64(count)
		case "_sum":
			sum += total
		default:
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + m.GetUntyped().GetValue()
		}
	}
	return sum
}

// buckets keeps the histograms whole, added up over their labels.
func (s *Sampler) buckets(page map[string]*dto.MetricFamily) map[string][]uint64 {
	b := map[string][]uint64{}
	for name, source := range map[string]string{
		results.HistogramFsync: "etcd_disk_wal_fsync_duration_seconds", results.HistogramCommit: "etcd_disk_backend_commit_duration_seconds",
		results.HistogramPeerRTT: "etcd_network_peer_round_trip_time_seconds",
	} {
		for _, m := range page[source].GetMetric() {
			h := m.GetHistogram()
			var bounds []float64
			var counts []uint64
			for _, bucket := range h.GetBucket() {
				if !math.IsInf(bucket.GetUpperBound(), 0) {
					bounds, counts = append(bounds, bucket.GetUpperBound()), append(counts, bucket.GetCumulativeCount())
				}
			}
			counts = append(counts, h.GetSampleCount())
			if s.bounds[name] == nil {
				s.bounds[name] = bounds
			}
			if len(counts) != len(s.bounds[name])+1 {
				continue
			}
			if b[name] == nil {
				b[name] = make([]uint64, len(counts))
			}
			for i, n := range counts {
				b[name][i] += n
			}
		}
	}
	return b
}
