package main

import (
	"math"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/stats"
)

// BenchmarkVerify prints what --verify costs of the throughput of a closed loop: the
// median of operations per second without and with it, and the ratio of the two with its
// interval of 95 % (Hodges–Lehmann over the logarithms of paired ratios, see
// [stats.NewShift]). Both ways are run in turns, each on a member of its own that has just
// started: 10 pairs of 4 s, or one of 0.2 s with -short. docs/measuring.md has its output.
func BenchmarkVerify(b *testing.B) {
	for _, workload := range []string{"put", "range", "txn-cas"} {
		b.Run(workload, func(b *testing.B) {
			pairs, flags := 10, []string{"--warmup", "1s", "--duration", "4s"}
			if testing.Short() {
				pairs, flags = 1, []string{"--warmup", "0s", "--duration", "200ms"}
			}
			var rates [2][]float64 // without, with
			var logarithms []float64
			for n := range pairs * b.N {
				var pair [2]float64
				for k := range pair {
					with := (n + k) % 2 // each is first in every other pair
					pair[with] = verifiedRate(b, with == 1, append([]string{"run", workload}, flags...))
					rates[with] = append(rates[with], pair[with])
				}
				logarithms = append(logarithms, math.Log(pair[1]/pair[0]))
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(stats.Median(rates[0]), "off-ops/s")
			b.ReportMetric(stats.Median(rates[1]), "on-ops/s")
			shift, err := stats.NewShift(logarithms, 0.025, 0.025)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(math.Exp(shift.Estimate), "ratio")
			b.ReportMetric(math.Exp(shift.Lower), "ratio-from")
			b.ReportMetric(math.Exp(shift.Upper), "ratio-to")
		})
	}
}

// verifiedRate makes one run with 256 clients and returns its operations per second.
func verifiedRate(b *testing.B, verify bool, args []string) float64 {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "run")
	args = append(args, "--members", "1", "--clients", "256", "--progress", "none", "--out", dir)
	if !verify {
		args = append(args, "--verify=false")
	}
	if out, err := exec.Command("etcdbench", args...).CombinedOutput(); err != nil {
		b.Fatalf("etcdbench %q: %v\n%s", args, err, out)
	}
	run, err := results.Read(dir)
	if err != nil {
		b.Fatal(err)
	}
	if proved := run.Proof != nil; proved != verify {
		b.Fatalf("with --verify %v, the run has a proof: %v", verify, proved)
	}
	at := slices.IndexFunc(run.Operations, func(o results.Operation) bool { return o.Phase == "measure" })
	if at < 0 || run.Operations[at].Throughput == 0 {
		b.Fatalf("the run measured nothing: %+v", run.Operations)
	}
	return run.Operations[at].Throughput
}
