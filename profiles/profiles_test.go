package profiles_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	httppprof "net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/profiles"
	"github.com/etcdbench/etcdbench/results"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// synthetic is a CPU profile of so many nanoseconds by function; names are stacks,
// outermost first.
func synthetic(stacks map[string]int64) *profile.Profile {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1,
		Mapping: []*profile.Mapping{{ID: 1, File: "program", HasFunctions: true}},
	}
	locations := map[string]*profile.Location{}
	for stack, ns := range stacks {
		s := &profile.Sample{Value: []int64{1, ns}}
		for name := range strings.SplitSeq(stack, ";") {
			l := locations[name]
			if l == nil {
				f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, SystemName: name}
				l = &profile.Location{ID: f.ID, Mapping: p.Mapping[0], Address: f.ID * 16, Line: []profile.Line{{Function: f, Line: 1}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, l)
				locations[name] = l
			}
			s.Location = append([]*profile.Location{l}, s.Location...)
		}
		p.Sample = append(p.Sample, s)
	}
	return p
}

func cpuSet(operations uint64, stacks map[string]int64) profiles.Set {
	return profiles.Set{Kind: profiles.CPU, Operations: operations, Profile: synthetic(stacks)}
}

// The difference of two runs is by operation, and not normalised: when everything
// takes twice as long, everything has changed.
func TestChangesPerOperation(t *testing.T) {
	base := cpuSet(100, map[string]int64{"main;put": 1000, "main;put;fsync": 3000, "main": 500})
	slower := cpuSet(50, map[string]int64{"main;put": 1000, "main;put;fsync": 3000, "main": 500})
	changes, err := profiles.Changes(base, slower)
	if err != nil {
		t.Fatal(err)
	}
	want := []profiles.Change{{"", 45, 90}, {"fsync", 30, 60}, {"put", 10, 20}, {"main", 5, 10}}
	if fmt.Sprint(changes) != fmt.Sprint(want) {
		t.Errorf("changes %v, want %v", changes, want)
	}
	diff, err := profiles.Diff(base, slower)
	if err != nil {
		t.Fatal(err)
	}
	total := int64(0)
	for _, s := range diff.Profile.Sample {
		total += s.Value[1]
	}
	if diff.Operations != 50 || total != 4500-2250 {
		t.Errorf("the difference is %d over %d operations, want 2250 over 50", total, diff.Operations)
	}
	if _, err := profiles.Changes(cpuSet(0, nil), slower); err == nil {
		t.Error("no error of a run without operations")
	}
}

// A profile's difference to itself is nothing, however many operations it covers,
// and changes add up to that of the whole.
func TestDiffProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) profiles.Set {
			return cpuSet(rapid.Uint64Range(1, 1e6).Draw(t, label+" operations"),
				rapid.MapOfN(rapid.SampledFrom([]string{"a", "a;b", "a;b;c", "d;c", "d"}), rapid.Int64Range(0, 1e9), 1, 5).Draw(t, label))
		}
		base, now := draw("base"), draw("now")
		same, err := profiles.Diff(now, now)
		if err != nil {
			t.Fatal(err)
		}
		sum := int64(0)
		for _, s := range same.Profile.Sample {
			sum += s.Value[1]
		}
		if sum != 0 {
			t.Errorf("a profile differs from itself by %d", sum)
		}
		changes, err := profiles.Changes(base, now)
		if err != nil {
			t.Fatal(err)
		}
		added := 0.0
		for _, c := range changes[1:] {
			added += c.After - c.Before
		}
		if whole := changes[0].After - changes[0].Before; changes[0].Name != "" || math.Abs(added-whole) > 1e-6*(1+math.Abs(whole)) {
			t.Errorf("changes add up to %v, the whole is %v", added, whole)
		}
	})
}

// Flame graphs are whole pages, of one run and of two.
func TestFlameGraph(t *testing.T) {
	base := cpuSet(100, map[string]int64{"main;put;example.org/etcd/wal.(*WAL).fsync": 3_000_000_000, "main;<script>alert(1)</script>": 500_000_000})
	now := cpuSet(200, map[string]int64{"main;put;example.org/etcd/wal.(*WAL).fsync": 9_000_000_000, "main;get": 500_000_000})
	diff, err := profiles.Diff(base, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]profiles.Set{"one": base, "difference": diff} {
		graph, err := profiles.FlameGraph(set)
		if err != nil {
			t.Fatal(err)
		}
		page := graph.Page
		detail := map[string]string{"one": "example.org/etcd/wal.(*WAL).fsync: 3s, 85.7 %", "difference": "example.org/etcd/wal.(*WAL).fsync: 6s → 9s"}[name]
		for _, want := range []string{">wal.(*WAL).fsync</button>", detail, "prefers-color-scheme: dark", ";--h:"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page does not have %q", name, want)
			}
		}
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "ZgotmplZ") || graph.Height != 44+4*18 {
			t.Errorf("%s: a page of %d bytes, %d pixels high", name, len(page), graph.Height)
		}
		if strings.Contains(page, "src=\"http") || strings.Contains(page, "@import") {
			t.Errorf("%s: the page wants the network", name)
		}
	}
	if _, err := profiles.FlameGraph(profiles.Set{Kind: profiles.Trace}); err == nil {
		t.Error("a flame graph of a trace")
	}
}

// serve is a program with pprof, other than this one as far as captures can tell.
func serve(t *testing.T, handlers map[string]http.HandlerFunc) profiles.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", httppprof.Index)
	mux.HandleFunc("/debug/pprof/profile", httppprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", httppprof.Trace)
	for path, h := range handlers {
		mux.HandleFunc(path, h)
	}
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return profiles.Server{Member: "m1", Address: s.URL, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

// burn keeps the CPU busy and allocates.
func burn(ctx context.Context) {
	for size := 4096; ctx.Err() == nil; size ^= 1 { // no constant, which would stay on the stack
		for range 1000 {
			runtime.KeepAlive(make([]byte, size))
		}
	}
}

// drive calls an observer as a run does: a warm-up, seconds of a measured phase of
// 100 operations each, the drain.
func drive(t *testing.T, c *profiles.Capture, planned time.Duration, seconds int, l results.Latency) *results.Run {
	t.Helper()
	run := &results.Run{}
	if err := c.Start(run); err != nil {
		t.Fatal(err)
	}
	c.Phase(results.PlanPhase{Name: "warmup", Warmup: true}, 0)
	c.Phase(results.PlanPhase{Name: "measure", Duration: planned}, 0)
	for n := range seconds {
		time.Sleep(time.Second)
		op := results.Operation{Phase: "measure", Op: "put", Completed: 100, ResponseTime: l}
		if err := c.Interval(&results.Interval{Number: n, Phase: "measure", Start: time.Duration(n) * time.Second, Length: time.Second, Operations: []results.Operation{op}}); err != nil {
			t.Fatal(err)
		}
	}
	c.Phase(results.PlanPhase{Name: "drain", Warmup: true}, time.Duration(seconds)*time.Second)
	if err := c.Finish(run); err != nil {
		t.Fatal(err)
	}
	return run
}

// A capture has a file for each kind that pprof itself reads, the operations that
// it covers, and the functions that were busy; what was taken on the way is gone.
func TestCapture(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go burn(ctx)
	dir := t.TempDir()
	// CPU only of the one: the other is the same process.
	c := profiles.NewCapture(profiles.Options{RunDir: dir, Sources: []profiles.Source{serve(t, nil)}, Kinds: []string{profiles.CPU, profiles.Heap, profiles.Goroutine, profiles.Block}})
	run := drive(t, c, 3*time.Second, 3, results.Latency{})
	cancel()
	byKind := map[string]results.Profile{}
	files := map[string]bool{}
	for _, p := range run.Profiles {
		if p.Source == "m1" {
			byKind[p.Kind] = p
			files[p.File] = true
		}
	}
	for kind, p := range byKind {
		data, err := os.ReadFile(filepath.Join(dir, p.File))
		if err != nil {
			t.Fatalf("%s: %v (%s)", kind, err, p.Missing)
		}
		if _, err := profile.ParseData(data); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	cpu, heap := byKind[profiles.CPU], byKind[profiles.Heap]
	if cpu.Operations < 250 || cpu.Operations > 300 || cpu.Length < 2500*time.Millisecond || cpu.Total < int64(100*time.Millisecond) || len(cpu.Top) == 0 {
		t.Errorf("CPU: %+v", cpu)
	}
	if heap.Operations < 250 || heap.Operations > 300 || heap.Total < 1<<20 || !strings.HasSuffix(heap.Top[0].Name, ".burn") {
		t.Errorf("heap: %+v", heap)
	}
	if g := byKind[profiles.Goroutine]; g.Unit != "goroutines" || g.Total < 2 {
		t.Errorf("goroutines: %+v", g)
	}
	if b := byKind[profiles.Block]; !strings.Contains(b.Missing, "etcd does not turn block profiling on") {
		t.Errorf("block: %+v", b)
	}
	left, err := os.ReadDir(filepath.Join(dir, profiles.Dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if !files[profiles.Dir+"/"+f.Name()] {
			t.Errorf("%s is left", f.Name())
		}
	}
	if len(run.Warnings) != 1 || run.Warnings[0].Code != "profiled" || !run.Profiled() {
		t.Errorf("the run does not say that it was profiled: %v", run.Warnings)
	}
	set, err := profiles.Load(dir, run, profiles.CPU, "")
	if err != nil || set.Operations != cpu.Operations || len(set.Profile.Sample) == 0 {
		t.Errorf("read back: %v, %d operations", err, set.Operations)
	}
	if _, err := profiles.Load(dir, run, profiles.CPU, results.GeneratorSource); !errors.Is(err, profiles.ErrNone) {
		t.Errorf("captures of the generator, which was not asked: %v", err)
	}
}

// The generator captures itself, whole when its phase ends early.
func TestCaptureSelf(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go burn(ctx)
	fraction := runtime.SetMutexProfileFraction(-1)
	c := profiles.NewCapture(profiles.Options{RunDir: dir, Sources: []profiles.Source{profiles.Self{}}, Kinds: []string{profiles.CPU, profiles.Mutex, profiles.Trace}})
	run := drive(t, c, time.Minute, 2, results.Latency{})
	cancel()
	for _, p := range run.Profiles {
		switch p.Kind {
		case profiles.CPU:
			// 100 operations in each of two seconds, less what was before it began.
			covered := (2*time.Second - p.Start).Seconds() * 100
			if math.Abs(float64(p.Operations)-covered) > 1 || p.Total == 0 || p.File == "" || p.Length < 2*time.Second-p.Start || p.Length > 10*time.Second {
				t.Errorf("CPU: %+v", p)
			}
		case profiles.Trace:
			if info, err := os.Stat(filepath.Join(dir, p.File)); err != nil || info.Size() == 0 || p.Length > 2*time.Second {
				t.Errorf("trace: %v %+v", err, p)
			}
		}
	}
	if len(run.Profiles) != 3 || runtime.SetMutexProfileFraction(-1) != fraction {
		t.Errorf("%d profiles; mutexes are sampled at %d, were at %d", len(run.Profiles), runtime.SetMutexProfileFraction(-1), fraction)
	}
}

// Slow seconds are captured, a few times a run and never two at once.
func TestCaptureAnomaly(t *testing.T) {
	h := results.NewHistogram()
	if err := h.RecordValues(int64(80*time.Millisecond), 200); err != nil {
		t.Fatal(err)
	}
	slow, err := results.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	for bound, want := range map[time.Duration]bool{50 * time.Millisecond: true, 100 * time.Millisecond: false} {
		dir := t.TempDir()
		c := profiles.NewCapture(profiles.Options{RunDir: dir, Sources: []profiles.Source{serve(t, nil)}, Anomaly: bound})
		run := drive(t, c, 3*time.Second, 3, slow)
		kinds := map[string]int{}
		for _, p := range run.Profiles {
			if p.Anomaly == 0 || p.File == "" {
				t.Errorf("%+v", p)
			}
			kinds[p.Kind]++
		}
		if got := kinds[profiles.CPU] > 0 && kinds[profiles.Goroutine] > 0; got != want || kinds[profiles.CPU] > 2 {
			t.Errorf("bound %v: captured %v", bound, kinds)
		}
		if _, err := os.Stat(filepath.Join(dir, profiles.Dir)); (err == nil) != want {
			t.Errorf("bound %v: directory of profiles: %v", bound, err)
		}
	}
}

// Whatever a source answers, the run goes on and says what is missing and why.
func TestBadSources(t *testing.T) {
	garbage := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>not a profile</html>") }
	for name, tc := range map[string]struct {
		source profiles.Source
		want   string
	}{
		"no server":     {profiles.Server{Member: "m1", Address: "http://127.0.0.1:1", Client: http.DefaultClient}, "connection refused"},
		"not served":    {serve(t, map[string]http.HandlerFunc{"/debug/pprof/heap": http.NotFound}), "--enable-pprof"},
		"not a profile": {serve(t, map[string]http.HandlerFunc{"/debug/pprof/heap": garbage}), "not a pprof profile"},
		"another kind":  {serve(t, map[string]http.HandlerFunc{"/debug/pprof/heap": httppprof.Handler("goroutine").ServeHTTP}), "not a heap profile"},
		"refuses":       {serve(t, map[string]http.HandlerFunc{"/debug/pprof/heap": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", 500) }}), "500"},
		"without an end": {serve(t, map[string]http.HandlerFunc{"/debug/pprof/heap": func(w http.ResponseWriter, _ *http.Request) {
			for piece := make([]byte, 1<<20); ; {
				if _, err := w.Write(piece); err != nil {
					return
				}
			}
		}}), "more than 16 MiB"},
		"ends in the midst": {serve(t, map[string]http.HandlerFunc{"/debug/pprof/heap": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "short")
		}}), "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := profiles.NewCapture(profiles.Options{RunDir: t.TempDir(), Sources: []profiles.Source{tc.source}, Kinds: []string{profiles.Heap}})
			run := drive(t, c, time.Second, 1, results.Latency{})
			if len(run.Profiles) == 0 || !strings.Contains(run.Profiles[0].Missing, tc.want) {
				t.Errorf("profiles %+v, want %q", run.Profiles, tc.want)
			}
		})
	}
}

// Files that a document names are read from the run's directory only, and only
// when they are profiles.
func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "text"), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"../run.json": "outside the run", "/etc/passwd": "outside the run", "gone.pb.gz": "no such file", "text": "not a pprof profile"} {
		run := &results.Run{Profiles: []results.Profile{{Source: "m1", Kind: profiles.CPU, File: file}}}
		if _, err := profiles.Load(dir, run, profiles.CPU, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}
