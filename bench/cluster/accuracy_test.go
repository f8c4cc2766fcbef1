package cluster_test

import (
	"flag"
	"math"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/disk"
)

var accuracy = flag.Duration("accuracy", 0, "how long the accuracy of each kind of slow disk is measured; 0: not at all")

// Histograms of etcd. Of a commit, the second has all writes and both syncs.
const (
	logSyncs     = "etcd_disk_wal_fsync_duration_seconds"
	commitWrites = "etcd_debugging_disk_backend_commit_write_duration_seconds"
)

const rounds = 20

// TestAccuracy compares the delays of slow disks with what a member measures itself, by sum and count of
// its histograms: they rise by the delays that the effect has. The database is committed with each put,
// or not at all, so that no call goes on while the conditions change. Slow and usual rounds take turns, and
// have the same pauses, so that other work on the machine is in both.
func TestAccuracy(t *testing.T) {
	if *accuracy == 0 {
		t.Skip("-accuracy is not set")
	}
	const ms, us = time.Millisecond, time.Microsecond
	syncsOnly, all := disk.Calls{Syncs: true}, disk.Calls{Syncs: true, Writes: true}
	lognormal := func(median, p99 time.Duration) time.Duration {
		const z99 = 2.3263478740408408
		sigma := math.Log(float64(p99)/float64(median)) / z99
		return time.Duration(float64(median) * math.Exp(sigma*sigma/2))
	}
	for _, test := range []struct {
		name       string
		conditions disk.Conditions
		// mean is the delay to expect of a call. With a queue, a sync that comes when the disk is idle takes
		// the whole time of one.
		mean    time.Duration
		commits bool
	}{
		{"constant 20ms", disk.Conditions{Latency: 20 * ms, Delayed: syncsOnly}, 20 * ms, false},
		{"even 20ms ± 10ms", disk.Conditions{Latency: 20 * ms, Jitter: 10 * ms, Delayed: syncsOnly}, 20 * ms, false},
		{"lognormal 10ms, p99 40ms", disk.Conditions{Latency: 10 * ms, P99: 40 * ms, Delayed: syncsOnly}, lognormal(10*ms, 40*ms), false},
		{"iops 50", disk.Conditions{IOPS: 50, Delayed: syncsOnly}, 20 * ms, false},
		{"iops 100 and 5ms", disk.Conditions{IOPS: 100, Latency: 5 * ms, Delayed: syncsOnly}, 15 * ms, false},
		{"constant 20ms, writes too", disk.Conditions{Latency: 20 * ms, Delayed: all}, 20 * ms, false},
		{"constant 5ms, with commits", disk.Conditions{Latency: 5 * ms, Delayed: all}, 5 * ms, true},
	} {
		histograms := []string{logSyncs}
		c, conn := startSupervised(t, func(o *cluster.ProcessOptions) {
			o.BackendBatchInterval, o.BackendBatchLimit = time.Hour, 1_000_000
			if test.commits {
				o.BackendBatchLimit = 1
				histograms = append(histograms, commitWrites)
			}
		})
		var effect disk.Effect
		var rises, offs []float64
		for range rounds {
			rise, e := round(t, c, conn, test.conditions, test.mean, histograms)
			effect.Delayed, effect.Delay, effect.Late = effect.Delayed+e.Delayed, effect.Delay+e.Delay, effect.Late+e.Late
			rises, offs = append(rises, float64(rise)), append(offs, float64(rise-e.Mean()-e.MeanLate()))
		}
		rise, _ := meanAndError(rises)
		off, deviation := meanAndError(offs)
		bound := max(ms, effect.Mean()/20)
		t.Logf("%-26s %5d calls: set %v, drawn %v, late %v, rise %v, off %v ± %v, bound %v", test.name, effect.Delayed, test.mean,
			effect.Mean().Round(us), effect.MeanLate().Round(us), rise.Round(us), off.Round(us), deviation.Round(us), bound.Round(us))
		switch {
		case off.Abs()-deviation > bound:
			t.Errorf("%s: the rise is off by %v ± %v, more than %v", test.name, off, deviation, bound)
		case off.Abs()+deviation > bound:
			t.Logf("%s: not resolved: too few rounds, or too much other work on the machine", test.name)
		}
	}
}

// meanAndError returns the mean of durations and twice its standard error.
func meanAndError(list []float64) (mean, deviation time.Duration) {
	sum, squares, n := 0.0, 0.0, float64(len(list))
	for _, x := range list {
		sum += x
	}
	for _, x := range list {
		squares += (x - sum/n) * (x - sum/n)
	}
	return time.Duration(sum / n), time.Duration(2 * math.Sqrt(squares/(n-1)/n))
}

// round puts keys on the usual and then on the slow disk, and returns how much longer a call took by the
// histograms of the member, and the effect of the conditions.
func round(t *testing.T, c *cluster.Processes, conn grpc.ClientConnInterface, conditions disk.Conditions, pause time.Duration,
	histograms []string,
) (rise time.Duration, effect disk.Effect) {
	t.Helper()
	usual := puts(t, c, conn, pause, histograms)
	if _, err := c.SetDisk(0, conditions); err != nil {
		t.Fatal(err)
	}
	slow := puts(t, c, conn, 0, histograms)
	effect, err := c.SetDisk(0, disk.Conditions{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range histograms {
		rise += slow[i].sum - time.Duration(float64(usual[i].sum)*slow[i].count/usual[i].count)
	}
	return rise / time.Duration(effect.Delayed), effect
}

// A reading is the count and the sum of a histogram of a member.
type reading struct {
	count float64
	sum   time.Duration
}

// puts puts keys after pauses, and returns what the histograms gained meanwhile.
func puts(t *testing.T, c *cluster.Processes, conn grpc.ClientConnInterface, pause time.Duration, histograms []string) (gains []reading) {
	t.Helper()
	for _, h := range histograms {
		count, sum := histogram(t, c, h)
		gains = append(gains, reading{-count, -sum})
	}
	for begin := time.Now(); time.Since(begin) < *accuracy/rounds; {
		time.Sleep(pause)
		if err := put(t, conn); err != nil {
			t.Fatal(err)
		}
	}
	for i, h := range histograms {
		count, sum := histogram(t, c, h)
		gains[i] = reading{gains[i].count + count, gains[i].sum + sum}
	}
	return gains
}
