package workloads_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

func FuzzParseDisturbance(f *testing.F) {
	for _, text := range []string{"compaction", "compaction@5s/10s", "defragmentation@1m,member=leader", "watcher-storm@0s,watchers=5,streams=5", "@/,="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := workloads.ParseDisturbance(text)
		if err == nil && (d.At < 0 || d.Every < 0) {
			t.Errorf("%q: %+v", text, d)
		}
	})
}

func TestParseDisturbance(t *testing.T) {
	d, err := workloads.ParseDisturbance("defragmentation@1m30s/5m,member=all")
	if err != nil || d.Kind != "defragmentation" || d.At != 90*time.Second || d.Every != 5*time.Minute || d.Params["member"] != "all" {
		t.Errorf("%+v %v", d, err)
	}
	for text, want := range map[string]string{
		"defrag@5s":                           `unknown disturbance "defrag" (similar: "defragmentation")`,
		"compaction@soon":                     `"soon" is not a time`,
		"compaction@5s/0s":                    "must not be 0",
		"compaction@5s/1ns":                   "less than 10ms",
		"compaction@-5s":                      "is not a time",
		"compaction,keep=-1":                  "must not be negative",
		"compaction,keep=1,previous=true":     "cannot be combined",
		"snapshot,member":                     `"member" is not name=value`,
		"snapshot,membr=leader":               `similar: "member"`,
		"watcher-storm,watchers=5,streams=50": "streams between 1 and as many",
		"kill@5s,member=leadr":                `or a name or number, such as m2, not "leadr"`,
		"kill@5s,for=5s":                      `no parameter "for"`,
		"pause@5s,for=-5s":                    "must not be negative",
		"cut@5s,way=up":                       `in or out, not "up"`,
		"cut@5s,peer=m9":                      `peer "m9" is not a member`,
		"cut@5s,peer=m2,member=2":             "the same",
		"slow-link@5s,jitter=2s":              "jitter must be",
		"slow-link@5s,bandwidth=much":         "is not a size",
		"slow-disk@5s,latency=0s":             "must be positive",
		"slow-disk@5s,latency=1m":             "latency must be between",
		"":                                    "unknown disturbance",
	} {
		if _, err := workloads.ParseDisturbance(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// Every kind of disturbance does what it says, on a real cluster.
func TestDisturbances(t *testing.T) {
	t.Parallel()
	c := workloadstest.StartCluster(t, 3)
	eps := cluster.Endpoints(c)
	target := workloads.Target{Conns: workloadstest.Dial(t, 3, eps...), Members: workloadstest.Dial(t, 3, eps...), Prefix: "/disturbed/", Seed: 1}
	var list []results.PlanDisturbance
	for _, text := range []string{
		"compaction@200ms", "compaction@100ms/1050ms,previous=true,cas-key=compact_rev_key", "defragmentation@300ms,member=all", "snapshot@400ms,member=2",
		"range@500ms", "range@500ms,serializable=true", "move-leader@2300ms", "watcher-storm@700ms,watchers=50,streams=7,hold=300ms", "snapshot@800ms,member=9",
	} {
		d, err := workloads.ParseDisturbance(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	bound, err := workloads.Bind(list, target)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorkload(t, "put", target, map[string]string{"key-space-size": "500"})
	// The move of the leader has most of a second, and no compaction beside it.
	p := workloadstest.Plan(4, bench.PlanPhase{Duration: 3250 * time.Millisecond})
	p.Drain = 500 * time.Millisecond // what is proposed while the leader moves may be lost
	run, err := bench.Run(t.Context(), p, w, bench.Options{Disturbances: bound})
	if err != nil {
		t.Fatal(err)
	}
	seen, compacted := map[string]int{}, 0
	for _, e := range run.Events {
		seen[e.Kind]++
		if e.Kind == "compaction" && strings.HasPrefix(e.Detail, "to revision") {
			compacted++
		}
		if wrong := e.Detail == "" && strings.Contains(e.Error, "there is no member 9"); e.Error != "" && !wrong {
			t.Errorf("%+v", e)
		}
	}
	if fmt.Sprint(seen) != "map[compaction:4 defragmentation:1 move-leader:1 range:2 snapshot:2 watcher-storm:1]" {
		t.Errorf("events %v: %+v", seen, run.Events)
	}
	if compacted < 2 { // at once, and to the revision of the previous compaction
		t.Errorf("%d compactions: %+v", compacted, run.Events)
	}
}
