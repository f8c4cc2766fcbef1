package machine

import (
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Usage holds the resources that the process and the machine have used, since their start or
// between two readings.
type Usage struct {
	at      time.Time
	Elapsed time.Duration
	// CPU is the process's CPU time, user and system. CPUs is the number of CPUs that it may
	// use.
	CPU  time.Duration
	CPUs float64

	// Busy, Steal and Total are CPU times of the machine, summed over all its CPUs.
	Busy, Steal, Total time.Duration
	// Throttled is the time for which a container's CPU limit stopped the process.
	Throttled time.Duration

	GCs        uint64
	GCPause    time.Duration
	GCPauseMax time.Duration
	SchedP99   time.Duration
	// MaxRSS is the largest resident set size so far, in bytes.
	MaxRSS uint64

	pauses, sched *metrics.Float64Histogram
}

// ReadUsage returns the usage until now. It takes well below a millisecond and stops no
// goroutine.
func ReadUsage() Usage {
	u := Usage{at: time.Now(), CPUs: availableCPUs()}
	u.readProcess()
	u.readMachine()
	var gc debug.GCStats
	debug.ReadGCStats(&gc)
	u.GCs, u.GCPause = uint64(gc.NumGC), gc.PauseTotal
	samples := []metrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(samples)
	u.sched = histogram(samples[0])
	u.pauses = histogram(samples[1])
	return u
}

func histogram(s metrics.Sample) *metrics.Float64Histogram {
	if s.Value.Kind() != metrics.KindFloat64Histogram {
		return &metrics.Float64Histogram{}
	}
	h := s.Value.Float64Histogram()
	return &metrics.Float64Histogram{Counts: append([]uint64(nil), h.Counts...), Buckets: h.Buckets}
}

// Since returns the usage between the earlier reading before and u.
func (u Usage) Since(before Usage) Usage {
	d := u
	d.Elapsed = u.at.Sub(before.at)
	d.CPU -= before.CPU
	d.Busy -= before.Busy
	d.Steal -= before.Steal
	d.Total -= before.Total
	d.Throttled -= before.Throttled
	d.GCs -= before.GCs
	d.GCPause -= before.GCPause
	d.SchedP99 = quantile(u.sched, before.sched, 0.99)
	d.GCPauseMax = quantile(u.pauses, before.pauses, 1)
	return d
}

// CPUShare returns the process's CPU time divided by that of the CPUs that it may use.
func (u Usage) CPUShare() float64 { return share(u.CPU, time.Duration(float64(u.Elapsed)*u.CPUs)) }

// MachineShare returns the busy part of the machine's CPU time, between 0 and 1.
func (u Usage) MachineShare() float64 { return share(u.Busy, u.Total) }

// StealShare returns the part of the machine's CPU time that its host withheld, between 0 and
// 1.
func (u Usage) StealShare() float64 { return share(u.Steal, u.Total) }

// ThrottledShare returns the part of the time for which a CPU limit stopped the process,
// between 0 and 1.
func (u Usage) ThrottledShare() float64 { return share(u.Throttled, u.Elapsed) }

func share(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

// quantile returns the upper bound of the bucket that contains the quantile of the values
// between two readings.
func quantile(now, before *metrics.Float64Histogram, q float64) time.Duration {
	if len(before.Counts) != len(now.Counts) {
		return 0
	}
	var total uint64
	for i := range now.Counts {
		total += now.Counts[i] - before.Counts[i]
	}
	rank := uint64(math.Ceil(float64(total) * q))
	if rank == 0 {
		return 0
	}
	var sum uint64
	for i := range now.Counts {
		if sum += now.Counts[i] - before.Counts[i]; sum >= rank {
			bound := now.Buckets[i+1]
			if math.IsInf(bound, 1) {
				bound = now.Buckets[i]
			}
			return time.Duration(bound * float64(time.Second))
		}
	}
	return 0
}
