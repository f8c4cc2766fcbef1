package report

import (
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// benchUnits are the units of the Go benchmark format, with the better direction. A percentile
// that is a lower bound has its own unit, so that programs do not compare it with an exact
// percentile.
var benchUnits = [...]struct{ unit, better string }{
	{"op/s", "higher"}, {"p50-ns", "lower"}, {"p50-at-least-ns", "lower"}, {"p90-ns", "lower"}, {"p90-at-least-ns", "lower"},
	{"p99-ns", "lower"}, {"p99-at-least-ns", "lower"}, {"p99.9-ns", "lower"}, {"p99.9-at-least-ns", "lower"}, {"errors/op", "lower"},
	{"server-cpu-ns/op", "lower"}, {"server-B/op", "lower"}, {"server-allocs/op", "lower"},
	{"server-fsyncs/op", "lower"}, {"server-wal-B/op", "lower"},
}

// writeBenchfmt writes the Go benchmark format, one line for each measured
// operation of each run, for benchstat.
func writeBenchfmt(w io.Writer, docs []Document) error {
	out := benchfmt.NewWriter(w)
	for _, u := range benchUnits {
		err := out.Write(&benchfmt.UnitMetadata{
			UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: u.unit, Key: "better"}, OrigUnit: u.unit, Value: u.better,
		})
		if err != nil {
			return err
		}
	}
	for _, d := range docs {
		omitted, costs := content.OmittedLine(d.Run), costsByPhase(d.Run)
		for _, o := range content.Operations(d.Run) {
			if o.Of != "" || o.Ended() == 0 {
				continue
			}
			if err := out.Write(benchResult(d.Run, o, costs, omitted)); err != nil {
				return err
			}
		}
	}
	return nil
}

func benchResult(r *results.Run, o results.Operation, costs map[string]results.Cost, omitted string) *benchfmt.Result {
	res := &benchfmt.Result{
		Name:  benchfmt.Name(title(benchName(r.Plan.Workload)) + "/phase=" + benchName(o.Phase) + "/op=" + benchName(o.Op)),
		Iters: int(max(1, o.Completed)), // the format has no 0
	}
	for _, kv := range [][2]string{
		{"goos", r.Environment.OS}, {"goarch", r.Environment.Arch}, {"cpu", r.Environment.CPUModel},
		{"etcd", r.Cluster.Version}, {"validity", r.Validity.Verdict}, {"omitted", omitted},
	} {
		if kv[1] != "" {
			res.SetConfig(kv[0], words.Clean(kv[1]))
		}
	}
	for i := range res.Config {
		res.Config[i].File = true
	}
	add := func(value float64, unit string) {
		res.Values = append(res.Values, benchfmt.Value{Value: value, Unit: unit})
	}
	add(o.Throughput, "op/s")
	for _, q := range o.Percentiles(50, 90, 99, 99.9) {
		switch {
		case !q.Resolved:
		case q.AtLeast:
			add(float64(q.Time), q.Name()+"-at-least-ns")
		default:
			add(float64(q.Time), q.Name()+"-ns")
		}
	}
	add(o.ErrorRate(), "errors/op")
	if c, ok := costs[o.Phase]; ok {
		for name, unit := range map[string]string{
			"cpu": "server-cpu-ns/op", "alloc_bytes": "server-B/op", "allocs": "server-allocs/op",
			"fsyncs": "server-fsyncs/op", "wal_bytes": "server-wal-B/op",
		} {
			if v, ok := c.Figures[name]; ok {
				add(v, unit)
			}
		}
	}
	sortValues(res.Values)
	return res
}

// costsByPhase is the cost of all members together in each phase where it is known and
// of one kind of operation: a blend would not be that operation's.
func costsByPhase(r *results.Run) map[string]results.Cost {
	costs := map[string]results.Cost{}
	if r.Server == nil {
		return costs
	}
	kinds := map[string]int{}
	for i := range r.Operations {
		if o := &r.Operations[i]; !o.Arrived && o.Offered > 0 {
			kinds[o.Phase]++
		}
	}
	for _, c := range r.Server.Cost {
		if _, known := costs[c.Phase]; !known && c.Member == "" && kinds[c.Phase] == 1 {
			costs[c.Phase] = c
		}
	}
	return costs
}

// sortValues puts values into the order of benchUnits.
func sortValues(values []benchfmt.Value) {
	place := map[string]int{}
	for i, u := range benchUnits {
		place[u.unit] = i
	}
	for i := range values {
		for j := i; j > 0 && place[values[j].Unit] < place[values[j-1].Unit]; j-- {
			values[j], values[j-1] = values[j-1], values[j]
		}
	}
}

// title starts a benchmark's name with a capital, as Go's tools want it.
func title(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// benchName returns a valid name in the format.
func benchName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, words.Clean(s))
	if s == "" {
		return "_"
	}
	return s
}
