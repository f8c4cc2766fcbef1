package cluster

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// Sampler reads the metrics of every member at the end of each interval, beside the load, and
// adds them to the next interval. A member that does not answer leaves a gap. A Sampler is for
// one goroutine at a time.
type Sampler struct {
	members []Member
	// shared means that the members share a process with the generator, so that their cost cannot
	// be determined.
	shared bool
	urls   []string
	client *http.Client
	bounds map[string][]float64
	wanted map[string]bool // families of metrics

	clock   func() time.Duration
	pending chan []results.Reading
	reading sync.WaitGroup
	busy    atomic.Bool
	cancel  context.CancelFunc
	ctx     context.Context

	first, before, last []results.Reading
	asked               []int
	missed              []int
	// Bounds of the phases, in their order: each phase begins where the one before ends. And the
	// operations completed in each second.
	phases    []phaseBound
	completed []completedIn
}

// phaseBound is the beginning of a phase, and the reading of each member nearest to it.
type phaseBound struct {
	name    string
	at      time.Duration
	nearest []results.Reading
}

// completedIn counts the operations that completed in an interval, of all phases.
type completedIn struct {
	start, length time.Duration
	n             uint64
}

const (
	// readTimeout bounds a reading beside the load: it is complete before the next one is due.
	readTimeout = 800 * time.Millisecond
	// boundTimeout bounds the readings before and after the load. Without them there are no totals.
	boundTimeout = 5 * time.Second
)

// NewSampler reads the metrics that the members serve at their client addresses, or at the
// given addresses, in the order of the members.
func NewSampler(c Cluster, addresses ...string) *Sampler {
	s := &Sampler{
		members: c.Members(), bounds: map[string][]float64{}, wanted: wantedFamilies(), pending: make(chan []results.Reading, 1),
	}
	if s.shared = c.Describe().Kind == results.ClusterInProcess; s.shared {
		s.members = s.members[:1] // all members share its registry
	}
	for _, address := range HTTPAddresses(c, addresses)[:len(s.members)] {
		s.urls = append(s.urls, address+"/metrics")
	}
	s.asked, s.missed = make([]int, len(s.members)), make([]int, len(s.members))
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: c.TLS(), MaxIdleConnsPerHost: 1}}
	return s
}

// HTTPAddresses returns where the members serve HTTP, as URLs without path: their client
// addresses, or the given addresses, in the order of the members.
func HTTPAddresses(c Cluster, given []string) []string {
	scheme := "http://"
	if c.TLS() != nil {
		scheme = "https://"
	}
	var urls []string
	for i, m := range c.Members() {
		address := m.Endpoint
		if i < len(given) {
			address = given[i]
		}
		if !strings.Contains(address, "://") {
			address = scheme + address
		}
		urls = append(urls, strings.TrimSuffix(address, "/"))
	}
	return urls
}

// Begin makes the first reading, before the load. clock is the clock of the run.
func (s *Sampler) Begin(ctx context.Context, clock func() time.Duration) {
	s.clock = clock
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.first = s.read(boundTimeout)
	s.last = s.first
}

// OtherClients returns the writes and reads per second of other clients during the given time,
// in which this process must send no load. They are 0 if no member reports them.
func OtherClients(ctx context.Context, c Cluster, over time.Duration, addresses ...string) (writes, reads float64) {
	s := NewSampler(c, addresses...)
	begin := time.Now()
	s.Begin(ctx, func() time.Duration { return time.Since(begin) })
	defer s.cancel()
	defer s.client.CloseIdleConnections()
	select {
	case <-ctx.Done():
		return 0, 0
	case <-time.After(over):
	}
	for i, last := range s.read(boundTimeout) {
		g := growth(s.first[i], last)
		seconds := (last.At - s.first[i].At).Seconds()
		if g == nil || seconds <= 0 {
			continue
		}
		// Every member applies all writes; each member serves its own reads.
		writes = max(writes, (g["puts"]+g["deletes"])/seconds)
		reads += g["ranges"] / seconds
	}
	return writes, reads
}

// Sample adds the last reading to the interval and starts the next reading. It does not wait:
// a late reading is added to the next interval.
func (s *Sampler) Sample(i *results.Interval) {
	select {
	case readings := <-s.pending:
		s.take(readings)
		i.Members = readings
	default:
	}
	if len(s.phases) == 0 || s.phases[len(s.phases)-1].name != i.Phase {
		s.enter(i.Phase, i.Start)
	}
	done := completedIn{start: i.Start, length: i.Length}
	for _, o := range i.Operations {
		if !o.Arrived {
			done.n += o.Completed
		}
	}
	s.completed = append(s.completed, done)
	if !s.busy.CompareAndSwap(false, true) {
		return // members may answer late
	}
	s.reading.Go(func() {
		s.pending <- s.read(readTimeout)
		s.busy.Store(false)
	})
}

// enter begins a phase with the readings nearest to its beginning, before or after it.
func (s *Sampler) enter(name string, at time.Duration) {
	b := phaseBound{name: name, at: at, nearest: slices.Clone(s.first)}
	b.see(s.before)
	b.see(s.last)
	s.phases = append(s.phases, b)
}

// see keeps the readings that are nearer to the bound than the present ones.
func (b *phaseBound) see(readings []results.Reading) {
	for k, r := range readings {
		if r.Missing == "" && (b.nearest[k].Missing != "" || (r.At-b.at).Abs() < (b.nearest[k].At-b.at).Abs()) {
			b.nearest[k] = r
		}
	}
}

// End makes the last reading, after the load, and puts the totals into the run. When ctx ends, it
// waits for no member any more.
func (s *Sampler) End(ctx context.Context, run *results.Run) {
	defer s.cancel()
	defer context.AfterFunc(ctx, s.cancel)()
	s.reading.Wait()
	select {
	case readings := <-s.pending:
		s.take(readings)
	default:
	}
	end := time.Duration(0)
	if n := len(s.completed); n > 0 {
		end = s.completed[n-1].start + s.completed[n-1].length
	}
	s.enter("", end)
	s.take(s.read(boundTimeout))
	server := &results.Server{Bounds: s.bounds}
	for k, m := range s.members {
		member := results.ServerMember{
			Member: m.Label(), Readings: s.asked[k], Missed: s.missed[k],
			Last: map[string]float64{}, Times: map[string]results.BucketTimes{},
		}
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

// costs divides the resources that the members used in each measured phase by the operations
// of the phase.
func (s *Sampler) costs(run *results.Run) []results.Cost {
	var costs []results.Cost
	for i := 0; i+1 < len(s.phases); i++ {
		begin, end := s.phases[i], s.phases[i+1]
		operations := completedInPhase(run, begin.name)
		if operations == 0 {
			continue
		}
		total, complete := map[string]float64{}, true
		var members []results.Cost
		for k, m := range s.members {
			from, to := begin.nearest[k], end.nearest[k]
			g := growth(from, to)
			n := s.between(from.At, to.At)
			if g == nil || n == 0 || (from.At-begin.at).Abs() > maxOff || (to.At-end.at).Abs() > maxOff {
				complete = false
				continue
			}
			c := results.NewCost(begin.name, m.Label(), n, g)
			for name, v := range c.Figures {
				total[name] += v
			}
			members = append(members, c)
		}
		if complete { // a sum over some of the members would be wrong
			costs = append(costs, results.Cost{Phase: begin.name, Operations: operations, Figures: total})
		}
		costs = append(costs, members...)
	}
	return costs
}

// maxOff is the largest distance between the bound of a phase and the reading of a member: one
// missed reading.
const maxOff = 2 * time.Second

// between counts the operations that ended between two moments: the readings of a member,
// which are near the bounds of the phase.
func (s *Sampler) between(from, to time.Duration) uint64 {
	n := 0.0
	for _, c := range s.completed {
		if overlap := min(to, c.start+c.length) - max(from, c.start); overlap > 0 && c.length > 0 {
			n += float64(c.n) * float64(overlap) / float64(c.length)
		}
	}
	return uint64(n + 0.5)
}

// completedInPhase counts the operations completed within a measured phase, whenever they
// arrived.
func completedInPhase(run *results.Run, phase string) (n uint64) {
	for _, ph := range run.Plan.Phases {
		if ph.Name == phase && ph.Warmup {
			return 0
		}
	}
	for _, o := range run.Operations {
		if o.Phase == phase && !o.Arrived {
			n += o.Acknowledged()
		}
	}
	return n
}

// growth returns the increase of the counters between two readings. It is nil if a reading is
// missing or the member restarted in between.
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
	if n := len(s.phases); n > 0 {
		s.phases[n-1].see(readings)
	}
	s.before, s.last = s.last, readings
}

// read reads all members in parallel. A member that does not answer within the timeout is missing.
func (s *Sampler) read(timeout time.Duration) []results.Reading {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	readings := make([]results.Reading, len(s.members))
	pages := make([]page, len(s.members))
	var wg sync.WaitGroup
	for k, m := range s.members {
		wg.Go(func() {
			r := results.Reading{Member: m.Label()}
			page, err := s.fetch(ctx, s.urls[k])
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

func (s *Sampler) fetch(ctx context.Context, url string) (page, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
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
	p, err := readPage(resp.Body, s.wanted)
	if err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return p, nil
}

// values selects the figures of the readings.
func values(page page, pid int) map[string]float64 {
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
	if p, err := machine.ReadProcess(pid); pid > 0 && err == nil {
		v["proc_cpu"], v["proc_rss"], v["disk_written"] = p.CPU.Seconds(), float64(p.Resident), float64(p.Written)
	}
	return v
}

// sumOf adds up the metrics of a family over its labels.
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

// buckets returns the histograms, added up over their labels.
func (s *Sampler) buckets(page page) map[string][]uint64 {
	b := map[string][]uint64{}
	for name, source := range histograms() {
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
