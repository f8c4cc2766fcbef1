package cluster_test

import (
	"flag"
	"math"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/disk"
)

var accuracy = flag.Duration("accuracy", 0, "how long the accuracy of each kind of slow disk is measured; 0: not at all")

// TestAccuracy compares the delays of slow disks with what a member measures itself: the mean of
// etcd_disk_wal_fsync_duration_seconds rises by the mean of the distribution. The database is not
// committed meanwhile, so that all syncs are those of the log. It needs a machine without other work.
func TestAccuracy(t *testing.T) {
	if *accuracy == 0 {
		t.Skip("-accuracy is not set")
	}
	const ms = time.Millisecond
	syncsOnly, all := disk.Calls{Syncs: true}, disk.Calls{Syncs: true, Writes: true}
	lognormal := func(median, p99 time.Duration) time.Duration {
		const z99 = 2.3263478740408408
		sigma := math.Log(float64(p99)/float64(median)) / z99
		return time.Duration(float64(median) * math.Exp(sigma*sigma/2))
	}
	for _, test := range []struct {
		name       string
		conditions disk.Conditions
		// mean is the delay to expect. With a queue, a sync that comes when the disk is idle takes the
		// whole time of one.
		mean time.Duration
	}{
		{"constant 20ms", disk.Conditions{Latency: 20 * ms, Delayed: syncsOnly}, 20 * ms},
		{"even 20ms ± 10ms", disk.Conditions{Latency: 20 * ms, Jitter: 10 * ms, Delayed: syncsOnly}, 20 * ms},
		{"lognormal 10ms, p99 40ms", disk.Conditions{Latency: 10 * ms, P99: 40 * ms, Delayed: syncsOnly}, lognormal(10*ms, 40*ms)},
		{"iops 50", disk.Conditions{IOPS: 50, Delayed: syncsOnly}, 20 * ms},
		{"iops 100 and 5ms", disk.Conditions{IOPS: 100, Latency: 5 * ms, Delayed: syncsOnly}, 15 * ms},
		{"constant 20ms, writes too", disk.Conditions{Latency: 20 * ms, Delayed: all}, 20 * ms},
	} {
		c, conn := startSupervised(t, func(o *cluster.ProcessOptions) {
			o.BackendBatchInterval, o.BackendBatchLimit = time.Hour, 1_000_000
		})
		puts := func() (n float64, mean time.Duration) {
			count, sum := syncs(t, c)
			for begin := time.Now(); time.Since(begin) < *accuracy; {
				if err := put(t, conn); err != nil {
					t.Fatal(err)
				}
			}
			countAfter, sumAfter := syncs(t, c)
			n = countAfter - count
			return n, time.Duration(float64(sumAfter-sum) / n)
		}
		_, usual := puts()
		if _, err := c.SetDisk(0, test.conditions); err != nil {
			t.Fatal(err)
		}
		n, slow := puts()
		effect, err := c.SetDisk(0, disk.Conditions{})
		if err != nil {
			t.Fatal(err)
		}
		off := slow - usual - effect.Mean()
		t.Logf("%-26s %5.0f syncs: usual %v, slow %v, rise %v; set %v, drawn %v; off %v",
			test.name, n, usual, slow, slow-usual, test.mean, effect.Mean(), off)
		if bound := max(ms, effect.Mean()/20); off.Abs() > bound {
			t.Errorf("%s: the rise is off by %v, more than %v", test.name, off, bound)
		}
	}
}
