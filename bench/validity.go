package bench

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// The limits above which the generator affects the results. Each limit is
// explained in docs/measuring.md.
const (
	lagDegraded      = time.Millisecond
	lagDegradedShare = 0.10 // of the service time's p99, which contains no lag
	lagInvalid       = 10 * time.Millisecond
	lagInvalidShare  = 0.50
	achievedMin      = 0.99
	waitedMax        = 0.01
	promptService    = 10 * time.Millisecond
	unloadedFactor   = 5 // median of the service time ÷ its minimum, below which etcd has no queue
	otherCPUMax      = 0.10
	ownCPUMax        = 0.90
	machineCPUMax    = 0.90
	stealMax         = 0.05
	throttledMax     = 0.01
	throttledInvalid = 0.10
	gcShareMax       = 0.01
	stoppedMax       = 0.01 // of the time
	stoppedInvalid   = 0.10
	schedMax         = 5 * time.Millisecond
)

// judgeValidity sets the run's validity from the measurements of its measured phases.
func (e *engine) judgeValidity(u machine.Usage, lag *series, ops []results.Operation) error {
	sendLag, err := lag.latency(&e.collector.encoder)
	if err != nil {
		return err
	}
	g := results.Generator{
		SendLag: sendLag, CPU: u.CPUShare(), CPUTime: u.CPU, Machine: u.MachineShare(), Steal: u.StealShare(),
		Throttled: u.ThrottledShare(), GCs: u.GCs, GCPause: u.GCPause, GCPauseMax: u.GCPauseMax,
		SchedP99: u.SchedP99, MaxRSS: u.MaxRSS, Shared: e.run.Cluster.Shared(),
		Stops: e.stops.count, Stopped: e.stops.sum, StopMax: e.stops.longest,
	}
	_, clients := e.share.Divide(e.plan.Clients)
	f := findings{
		Generator: g, elapsed: u.Elapsed, stalled: e.collector.stalled,
		cluster: e.run.Cluster.Kind, local: isLocal(e.run.Cluster), clients: clients,
	}
	f.stopDelay = e.stops.delay(f.addOperations(e.plan, ops))
	f.addMembers(e.run.Server, u)
	f.addArrived(e.plan, ops)
	e.run.Validity = f.judge()
	return nil
}

// findings holds the measurements on which the validity is based.
type findings struct {
	results.Generator
	elapsed time.Duration
	// stalled is the time during which no operation was completed.
	stalled time.Duration
	cluster string
	// local says that the cluster runs on this machine.
	local   bool
	clients int
	open    bool
	// stopDelay is the part of the service time's p99 that the stops of closed loops explain.
	stopDelay time.Duration
	// serviceMedian and serviceP99 are those of the slowest measured kind. serviceMin is the
	// shortest service time of all phases.
	serviceMedian, serviceP99, serviceMin time.Duration
	// read is the number of operations that arrived through a [Sink]. readLate is the number of
	// those that may have waited for their reader.
	read, readLate uint64
}

// addOperations adds the operations and returns how many of them closed loops have measured.
func (f *findings) addOperations(plan Plan, ops []results.Operation) uint64 {
	measuredPhase := map[string]bool{}
	openPhase := map[string]bool{}
	for _, ph := range plan.Phases {
		measuredPhase[ph.Name] = !ph.Warmup
		openPhase[ph.Name] = ph.Load.Open()
	}
	var offered, settled, arrivals uint64
	for _, o := range ops {
		if least := time.Duration(o.ServiceTime.Min); o.Completed > 0 && !o.Arrived && (f.serviceMin == 0 || least < f.serviceMin) {
			f.serviceMin = least
		}
		if !measuredPhase[o.Phase] || o.Arrived {
			continue
		}
		offered += o.Offered
		settled += o.Acknowledged() + o.Failed
		if openPhase[o.Phase] {
			f.open = true
			arrivals += o.Offered
		}
		f.serviceMedian = max(f.serviceMedian, o.ServiceTime.Percentile(50).Time)
		f.serviceP99 = max(f.serviceP99, o.ServiceTime.Percentile(99).Time)
	}
	if offered > 0 {
		f.Achieved = min(1, float64(settled)/float64(offered))
	}
	if arrivals > 0 {
		f.Waited = max(0, 1-float64(f.SendLag.Count)/float64(arrivals))
	}
	return offered - arrivals
}

func (f *findings) judge() results.Validity {
	v := results.Validity{Verdict: results.Valid, Reasons: []results.Reason{}, Generator: f.Generator}
	add := func(r results.Reason) {
		v.Reasons = append(v.Reasons, r)
		if r.Severity == results.Invalid || v.Verdict == results.Valid {
			v.Verdict = r.Severity
		}
	}
	if f.open {
		f.judgeLag(add)
		f.judgeClients(add)
	}
	f.judgeStops(add)
	f.judgeReading(add)
	f.judgeCPU(add)
	if share := ratio(f.GCPause, f.elapsed); share > gcShareMax {
		add(results.Reason{
			Code: "gc-pauses", Severity: results.Degraded, Value: share, Limit: gcShareMax,
			Message: fmt.Sprintf("the generator's garbage collector stopped it for %.1f %% of the time", 100*share),
			Remedy:  "set GOGC higher",
		})
	}
	if f.SchedP99 > schedMax {
		add(results.Reason{
			Code: "scheduler-delay", Severity: results.Degraded, Value: f.SchedP99.Seconds(), Limit: schedMax.Seconds(),
			Message: fmt.Sprintf("1 in 100 goroutines of the generator waited %v or longer for a CPU", results.ThreeDigits(f.SchedP99)),
			Remedy:  "reserve CPUs for the generator, or lower the load",
		})
	}
	return v
}

// lateness returns the 99th percentile of the send lag over all arrivals. Arrivals that only
// waited for the server have no lag. When the load is not sustained, a single stop delays only
// the few arrivals that found a free client, which are less than one in a hundred.
func (f *findings) lateness() time.Duration {
	if late := 1 - f.Waited; late > 0.01 {
		return f.SendLag.Percentile(100 - 1/late).Time
	}
	return 0
}

// judgeLag reports the send lag. The lag is part of the response time, so it matters when it is
// a considerable part of it.
func (f *findings) judgeLag(add func(results.Reason)) {
	lag := f.lateness()
	share := ratio(lag, f.serviceP99)
	severity, limit := "", time.Duration(0)
	switch {
	case lag > lagInvalid && share > lagInvalidShare:
		severity, limit = results.Invalid, lagInvalid
	case lag > lagDegraded && share > lagDegradedShare:
		severity, limit = results.Degraded, lagDegraded
	default:
		return
	}
	add(results.Reason{
		Code: "send-lag", Severity: severity, Value: lag.Seconds(), Limit: limit.Seconds(),
		Message: fmt.Sprintf("requests left the generator %v late (p99); the service time is %v (p99)",
			results.ThreeDigits(lag), results.ThreeDigits(f.serviceP99)),
		Remedy: "reserve CPUs for the generator, or lower --rate",
	})
}

// judgeClients reports a lack of clients. When every client is busy, an open loop behaves like
// a closed one. If etcd answers promptly, and nearly as fast as without other load, there are
// too few clients. If etcd takes much longer than that, requests queue in etcd, and etcd is the
// limit. N clients have at most N requests in etcd, so their queue makes a request at most N
// times as long as a single one.
func (f *findings) judgeClients(add func(results.Reason)) {
	if f.Waited <= waitedMax {
		return
	}
	r := results.Reason{
		Code: "clients-busy", Severity: results.Degraded, Value: f.Waited, Limit: waitedMax,
		Message: fmt.Sprintf("%.1f %% of the arrivals waited because all clients were busy (--clients %d); their response times include the wait",
			100*f.Waited, f.clients),
		Remedy: "raise --clients to send more requests concurrently",
	}
	// Without an answer to the arrivals of the measured phases, the median is 0 and has no
	// meaning.
	unloaded := f.serviceMedian > 0 && f.serviceMedian < promptService &&
		(f.serviceMedian < unloadedFactor*f.serviceMin || f.clients < unloadedFactor)
	if f.stalled > 0 {
		r.Remedy = fmt.Sprintf("find out why no operation completed for %v: all clients waited for the cluster",
			results.ThreeDigits(f.stalled))
	}
	// An outage that explains at least half of the missing operations is not caused by the
	// clients.
	outage := ratio(f.stalled, f.elapsed) >= (1-f.Achieved)/2
	if f.Achieved < achievedMin && unloaded && !outage {
		r.Code, r.Severity, r.Value, r.Limit = "too-few-clients", results.Invalid, f.Achieved, achievedMin
		r.Message = fmt.Sprintf("--clients %d sustained only %.1f %% of the load with a service time of %v (median): "+
			"the clients were the limit",
			f.clients, 100*f.Achieved, results.ThreeDigits(f.serviceMedian))
		r.Remedy = "raise --clients"
	}
	add(r)
}

func (f *findings) judgeCPU(add func(results.Reason)) {
	switch {
	case f.cluster == results.ClusterInProcess:
		add(results.Reason{
			Code: "shared-runtime", Severity: results.Degraded, Value: 1,
			Message: "cluster and generator share one process: one scheduler, one garbage collector, one CPU account",
			Remedy:  "remove --in-process for reliable results",
		})
	case (results.Cluster{Kind: f.cluster}).IsStorage(): // the store runs in this process
	case f.CPU > ownCPUMax && !f.local:
		add(results.Reason{
			Code: "generator-cpu", Severity: results.Invalid, Value: f.CPU, Limit: ownCPUMax,
			Message: fmt.Sprintf("the generator used %.0f %% of its CPUs and may have been the limit", 100*f.CPU),
			Remedy:  "use a larger machine for the generator, or lower the load",
		})
	case f.Machine > machineCPUMax && f.local:
		add(results.Reason{
			Code: "cpu-contention", Severity: results.Degraded, Value: f.Machine, Limit: machineCPUMax,
			Message: "cluster and generator share this machine, whose CPUs were " + f.shares(),
			Remedy:  "run the cluster on other machines; the results hold for this machine only",
		})
	}
	if f.OtherCPUShare > otherCPUMax {
		add(results.Reason{
			Code: "other-processes", Severity: results.Degraded, Value: f.OtherCPUShare, Limit: otherCPUMax,
			Message: fmt.Sprintf("other processes used %.0f %% of this machine's CPUs", 100*f.OtherCPUShare),
			Remedy:  "stop other processes on this machine",
		})
	}
	if f.Steal > stealMax {
		add(results.Reason{
			Code: "cpu-steal", Severity: results.Degraded, Value: f.Steal, Limit: stealMax,
			Message: fmt.Sprintf("the hypervisor withheld %.1f %% of this machine's CPU time", 100*f.Steal),
			Remedy:  "use a machine with dedicated CPUs",
		})
	}
	if f.Throttled > throttledMax {
		severity := results.Degraded
		if f.Throttled > throttledInvalid {
			severity = results.Invalid
		}
		add(results.Reason{
			Code: "cpu-throttled", Severity: severity, Value: f.Throttled, Limit: throttledMax,
			Message: fmt.Sprintf("the container's CPU limit stopped the generator for %.1f %% of the time", 100*f.Throttled),
			Remedy:  "raise the container's CPU limit",
		})
	}
}

// shares describes which processes used the machine's CPUs.
func (f *findings) shares() string {
	text := fmt.Sprintf("%.0f %% busy (generator %.0f %%", 100*f.Machine, 100*f.CPU)
	if f.Members > 0 {
		text += fmt.Sprintf(", members %.0f %%, other processes %.0f %%", 100*f.Members, 100*f.OtherCPUShare)
	}
	return text + ")"
}

// addMembers separates the members' CPU use on this machine from that of other processes, if
// local members have reported their CPU time.
func (f *findings) addMembers(server *results.Server, u machine.Usage) {
	if server == nil || !f.local || f.cluster == results.ClusterInProcess || u.Total <= 0 {
		return
	}
	var used float64 // ns
	for _, c := range server.Cost {
		if c.Member == "" {
			used += c.Figures["cpu"] * float64(c.Operations)
		}
	}
	if used == 0 {
		return
	}
	f.Members = min(1, used/float64(u.Total))
	f.OtherCPUShare = max(0, f.Machine-f.Members-float64(u.CPU)/float64(u.Total))
}

// isLocal reports whether a cluster shares the machine with the generator.
func isLocal(c results.Cluster) bool {
	if c.Kind != results.ClusterRemote {
		return true
	}
	for _, m := range c.Members {
		address := m.Endpoint
		if _, rest, ok := strings.Cut(address, "://"); ok {
			address = rest
		}
		host, _, err := net.SplitHostPort(address)
		if ip := net.ParseIP(host); err == nil && (host == "localhost" || ip != nil && ip.IsLoopback()) {
			return true
		}
	}
	return false
}

func ratio(a, b time.Duration) float64 {
	if b <= 0 {
		return 0
	}
	return float64(a) / float64(b)
}
