package workloads_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

var update = flag.Bool("update", false, "write the schema anew")

// schemaFile is what editors check scenarios with.
var schemaFile = filepath.Join("..", "docs", "scenario.schema.json")

// schema is made from the types; any plain value may also be an expression.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{FieldNameTag: "yaml", ExpandedStruct: true, RequiredFromJSONSchemaTags: true}
	expression := &jsonschema.Schema{Type: "string", Pattern: `\$\{`}
	plain := map[reflect.Kind]string{reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer", reflect.Float64: "number", reflect.Bool: "boolean"}
	r.Mapper = func(typ reflect.Type) *jsonschema.Schema {
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch {
		case typ == reflect.TypeFor[workloads.Duration]():
			return &jsonschema.Schema{Type: "string", Pattern: `^[0-9].*(ns|us|µs|ms|s|m|h)$|\$\{`, Description: "A time with its unit, such as 90s."}
		case typ == reflect.TypeFor[workloads.Scalar]():
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "array"}}}
		case plain[typ.Kind()] != "":
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: plain[typ.Kind()]}, expression}}
		}
		return nil
	}
	s := r.Reflect(&workloads.Scenario{})
	s.ID, s.Title = "", "etcdbench scenario"
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func TestSchemaIsOfTheTypes(t *testing.T) {
	got := schema(t)
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not that of the types: write it with go test ./workloads -run Schema -update (%v)", schemaFile, err)
	}
}

// Every scenario that comes with the program satisfies the schema, can be read,
// and says the same when it is written out and read again.
func TestBuiltInScenarios(t *testing.T) {
	doc, err := validator.UnmarshalJSON(bytes.NewReader(schema(t)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled := compiler.MustCompile("scenario.json")
	names := workloads.BuiltIn()
	if len(names) < 16 {
		t.Errorf("only %d scenarios: %v", len(names), names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text, err := workloads.BuiltInText(name)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := yaml.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			if err := compiled.Validate(value); err != nil {
				t.Errorf("schema: %v", err)
			}
			s, err := workloads.FindScenario(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s.Summary == "" || s.CheckThresholds() != nil {
				t.Errorf("summary %q, thresholds %v", s.Summary, s.CheckThresholds())
			}
			written, err := s.Text()
			if err != nil {
				t.Fatal(err)
			}
			again, err := workloads.ParseScenario(name+".yaml", written, nil)
			if err != nil {
				t.Fatalf("%v in\n%s", err, written)
			}
			rewritten, err := again.Text()
			if err != nil || !bytes.Equal(rewritten, written) {
				t.Errorf("written again, it is\n%s\nnot\n%s", rewritten, written)
			}
		})
	}
}

// composed is a scenario's workload, disturbances and plan.
func composed(t *testing.T, s *workloads.Scenario, target workloads.Target) (bench.Workload, bench.Plan, []bench.Disturbance) {
	t.Helper()
	entries, err := s.Entries(target.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := workloads.Parts(entries)
	if err != nil {
		t.Fatal(err)
	}
	population, err := s.Populate(target.Prefix)
	if err != nil {
		t.Fatal(err)
	}
	w, err := workloads.Compose(workloads.Composition{Name: s.Name, Parts: parts, Population: population}, target)
	if err != nil {
		t.Fatal(err)
	}
	disturbances, err := workloads.Bind(s.Disturbances, target)
	if err != nil {
		t.Fatal(err)
	}
	p := plan(s.Clients, bench.PlanPhase{Duration: time.Second})
	p.Phases, p.Verify = s.PlanPhases(), target.Verify
	return w, p, disturbances
}

// Every built-in scenario does on a real cluster what its plan says, and what it
// was told by the cluster is true.
func TestScenariosRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every scenario for a moment")
	}
	c := startCluster(t, 3)
	eps := cluster.Endpoints(c)
	conns, members := dial(t, 6, eps...), dial(t, 3, eps...)
	small := map[string]map[string]float64{
		"kubernetes":        {"nodes": 30, "podsPerNode": 5},
		"service-discovery": {"services": 5, "instances": 10, "watchers": 20},
		"config-push":       {"watchers": 100, "changes": 20},
		"leader-election":   {"candidates": 20, "offices": 4, "crashes": 0},
	}
	for _, name := range workloads.BuiltIn() {
		params := small[name]
		if strings.HasPrefix(name, "ycsb") {
			params = map[string]float64{"records": 500}
		}
		t.Run(name, func(t *testing.T) {
			s, err := workloads.FindScenario(name, params)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "check-") {
				if err := s.SetParam("key-space-size", "10000"); err != nil {
					t.Fatal(err)
				}
			}
			w, p, disturbances := composed(t, s, workloads.Target{Conns: conns, Members: members, Prefix: "/scenario/" + name + "/", Seed: 1, Verify: true})
			for i := range p.Phases {
				p.Phases[i].Duration = 500 * time.Millisecond
				p.Phases[i].Load.Rate = min(p.Phases[i].Load.Rate, 500)
			}
			run, err := bench.Run(t.Context(), p, w, bench.Options{Disturbances: disturbances})
			if err != nil {
				t.Fatal(err)
			}
			completed := uint64(0)
			for _, o := range run.Operations {
				completed += o.Completed
				if o.Failed+o.Unfinished > 0 {
					t.Errorf("%s: failed %d, unfinished %d: %v", o.Op, o.Failed, o.Unfinished, o.Errors)
				}
			}
			for _, e := range run.Events {
				if e.Error != "" {
					t.Errorf("event %+v", e)
				}
			}
			if completed == 0 || run.Proof.Verdict != results.Proved || len(run.Warnings) > 0 {
				t.Errorf("completed %d, proof %+v, warnings %v", completed, run.Proof, run.Warnings)
			}
		})
	}
}

var kubernetesFor = flag.Duration("kubernetes", 0, "run the kubernetes scenario of 100 nodes for so long, and want it valid")

// What the kubernetes scenario asks of the server is what its file documents,
// within 5 %, by the server's own count.
func TestKubernetesMix(t *testing.T) {
	if testing.Short() {
		t.Skip("runs for ten seconds")
	}
	c := startCluster(t, 3)
	eps := cluster.Endpoints(c)
	params := map[string]float64{"nodes": 300, "podsPerNode": 5, "podLifetime": 300, "listsPerMinute": 120}
	length := 10 * time.Second
	if *kubernetesFor > 0 {
		params, length = map[string]float64{"nodes": 100}, *kubernetesFor
	}
	s, err := workloads.FindScenario("kubernetes", params)
	if err != nil {
		t.Fatal(err)
	}
	target := workloads.Target{Conns: dial(t, s.Conns, eps...), Members: dial(t, 3, eps...), Prefix: "/kubernetes/", Seed: 1, Verify: true}
	w, p, _ := composed(t, s, target)
	p.Phases = p.Phases[1:]
	p.Phases[0].Duration = length
	probe := &probed{Workload: w, endpoints: eps}
	run, err := bench.Run(t.Context(), p, probe, bench.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// The rates as the scenario's comments document them.
	g := s.Given
	nodes, pods := g["nodes"], g["nodes"]*g["podsPerNode"]
	lists := g["listsPerMinute"] / 60
	documented := map[string]float64{
		"Txn":         nodes/10 + nodes/300 + 6*pods/g["podLifetime"] + 5*pods/g["podLifetime"],
		"Range":       g["resources"]/60 + lists*(math.Floor(pods/g["pageSize"])+1),
		"RangeStream": lists,
	}
	for method, perSecond := range documented {
		got, want := float64(probe.after[method]-probe.before[method]), perSecond*length.Seconds()
		t.Logf("%s: %.0f by the server, %.1f documented", method, got, want)
		if math.Abs(got-want) > 0.05*want {
			t.Errorf("%s: the server counted %.0f, documented are %.1f", method, got, want)
		}
	}
	for _, method := range []string{"Put", "DeleteRange", "LeaseKeepAlive"} {
		if n := probe.after[method] - probe.before[method]; n > 0 {
			t.Errorf("%d of %s, which the API server never sends", n, method)
		}
	}
	if n := probe.after["LeaseGrant"] - probe.before["LeaseGrant"]; n < 1 || float64(n) > 1+length.Minutes()+5*pods/g["podLifetime"]*length.Seconds()/1000 {
		t.Errorf("%d leases for the events", n)
	}
	if run.Proof.Verdict != results.Proved {
		t.Errorf("proof %+v", run.Proof)
	}
	if *kubernetesFor > 0 && run.Validity.Verdict != results.Valid {
		t.Errorf("validity %s: %+v", run.Validity.Verdict, run.Validity.Reasons)
	}
}

// Whatever is wrong with a scenario is one line with the place and, where there
// is one, the nearest right name.
func TestScenarioErrors(t *testing.T) {
	const mix = "mix: [{workload: put}]\n"
	for name, c := range map[string]struct {
		text   string
		params map[string]float64
		want   string
	}{
		"empty":               {text: "", want: "s.yaml: the file is empty"},
		"not a mapping":       {text: "- a\n", want: "s.yaml:1: a scenario is a mapping"},
		"not YAML":            {text: "mix: [\n", want: "s.yaml:"},
		"two documents":       {text: mix + "---\n" + mix, want: "more than one"},
		"no mix":              {text: "clients: 3\n", want: "the mix is empty"},
		"unknown field":       {text: mix + "clinets: 3\n", want: `s.yaml:2: unknown field "clinets" (did you mean "clients"?)`},
		"unknown in phase":    {text: mix + "phases:\n  - name: a\n    durration: 3s\n", want: `s.yaml:4: unknown field "durration" (did you mean "duration"?)`},
		"too many entries":    {text: "mix:\n" + strings.Repeat("  - {workload: put}\n", 300), want: "s.yaml:102: the mix has more than 100 entries"},
		"unknown workload":    {text: "mix:\n  - workload: putt\n", want: `s.yaml:2: unknown workload "putt" (did you mean "put"?)`},
		"unknown param":       {text: "mix:\n  - workload: put\n    params: {val-sise: 3}\n", want: `s.yaml:3: put: no parameter "val-sise" (did you mean "val-size"?)`},
		"wrong param":         {text: "mix:\n  - workload: put\n    params:\n      key-size: big\n", want: `s.yaml:4: put: parameter key-size: "big" is not a valid int`},
		"negative size":       {text: "mix: [{workload: put, params: {val-size: -5}}]", want: "neither a number of bytes"},
		"overflowing size":    {text: "mix: [{workload: put, params: {key-size: 99999999999999999999}}]", want: "not a valid int"},
		"huge value":          {text: "mix: [{workload: put, params: {val-size: 9999999}}]", want: "above etcd's request limit"},
		"list for a mapping":  {text: "cluster: [3]\n" + mix, want: "s.yaml:1: here should be a mapping"},
		"mapping for a list":  {text: "mix: {workload: put}\n", want: "s.yaml:1: here should be a list"},
		"text for a number":   {text: mix + "clients: many\n", want: "s.yaml:2: cannot read"},
		"twice":               {text: mix + "clients: 3\nclients: 4\n", want: `s.yaml:3: "clients" is there already, in line 2`},
		"weights of nothing":  {text: "mix:\n  - {workload: watch, weight: 0}\n", want: "s.yaml:2: the weights of the mix sum to 0"},
		"idle entry":          {text: "mix:\n  - {workload: put}\n  - {workload: range, weight: 0}\n", want: "s.yaml:3: range: with no share of the operations, range does nothing"},
		"negative weight":     {text: "mix: [{workload: put, weight: -1}]", want: "must be a number, not negative"},
		"weight and rate":     {text: "mix: [{workload: put, weight: 1, rate: 1}]", want: "exclude each other"},
		"some rates":          {text: "mix:\n  - {workload: put, rate: 1}\n  - {workload: range}\n", want: "s.yaml:3: range has no rate, but others have"},
		"same names":          {text: "mix:\n  - {workload: put}\n  - {workload: put}\n", want: `s.yaml:3: two entries of the mix are called "put"`},
		"shares over 1":       {text: "mix: [{workload: put, params: {keys: hotspot, hot-keys: 1.5}}]", want: "shares between 0 and 1"},
		"shares over 100 %":   {text: "mix: [{workload: election, params: {crash-share: 101}}]", want: "share between 0 and 1"},
		"percentage over 100": {text: "mix: [{workload: stm, params: {txn-wr-percent: 101}}]", want: "between 0 and 100, not 101"},
		"too many watchers":   {text: "mix: [{workload: watch, params: {streams: 100000, watch-per-stream: 100000}}]", want: "must not be above"},
		"phase without end":   {text: mix + "phases: [{name: a}]\n", want: "s.yaml:2: it has no end"},
		"phase with two":      {text: mix + "phases: [{name: a, duration: 3s, total: 4}]\n", want: "exclude each other"},
		"closed with a rate":  {text: mix + "phases: [{name: a, duration: 3s, closed: true, rate: 4}]\n", want: "exclude each other"},
		"only warm-up":        {text: mix + "phases: [{name: a, duration: 3s, warmup: true}]\n", want: "nothing would be measured"},
		"negative duration":   {text: mix + "phases:\n- {name: a, duration: -3s}\n", want: `s.yaml:3: "-3s" is negative`},
		"bare duration":       {text: mix + "phases: [{name: a, duration: 30}]\n", want: `s.yaml:2: "30" is not a time with its unit`},
		"unknown kind":        {text: mix + "disturbances: [{kind: compation}]\n", want: `s.yaml:2: unknown disturbance "compation" (did you mean "compaction"?)`},
		"wrong member":        {text: mix + "disturbances: [{kind: snapshot, params: {member: best}}]\n", want: `member "best" is none of`},
		"threshold, unit":     {text: mix + "thresholds: [put.response_time.p99 < 20]\n", want: "a time needs a unit, such as 20ms"},
		"threshold, op":       {text: mix + "thresholds: [putt.failed == 0]\n", want: `no operation "putt" (did you mean "put"?)`},
		"threshold, metric":   {text: mix + "thresholds: [put.latency < 20ms]\n", want: `no metric "latency"`},
		"shared prefix":       {text: "mix:\n  - {workload: put, prefix: a/}\n  - {workload: range, prefix: a/, params: {key-size: 60}}\n", want: "share a prefix"},
		"prefix in prefix":    {text: "mix:\n  - {workload: put, prefix: a/}\n  - {workload: range, prefix: a/b/}\n", want: "covers that of"},
		"unknown parameter":   {text: "parameters: {nodes: {default: 3}}\n" + mix, params: map[string]float64{"node": 3}, want: `there is no parameter "node" (did you mean "nodes"?)`},
		"missing parameter":   {text: "parameters: {nodes: {}}\n" + mix, want: "parameter nodes has no default"},
		"parameter's bounds":  {text: "parameters: {nodes: {default: 3, max: 5}}\n" + mix, params: map[string]float64{"nodes": 6}, want: "must be at most 5, not 6"},
		"parameter's type":    {text: "parameters: {nodes: {default: three}}\n" + mix, want: "s.yaml:1: cannot read"},
		"expression":          {text: mix + "clients: ${nodes}\n", want: `s.yaml:2: ${nodes}: no parameter "nodes"`},
		"division by zero":    {text: mix + "clients: ${1/0}\n", want: "division by zero"},
		"not closed":          {text: mix + "clients: ${1\n", want: "is not closed"},
		"code":                {text: mix + "clients: ${os.Exit(1)}\n", want: "only min"},
		"fraction":            {text: mix + "clients: ${1/3}\n", want: "is not a whole number"},
		"anchor":              {text: "mix: &a [{workload: put}]\n", want: "anchors and aliases"},
		"bomb": {text: "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nmix: *e\n", want: "s.yaml:1: anchors and aliases"},
		"deep": {text: "mix: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), want: "s.yaml"},
		"huge": {text: mix + strings.Repeat("#", 2<<20), want: "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := workloads.ParseScenario("s.yaml", []byte(c.text), c.params)
			if err == nil {
				_, err = s.Entries("/etcdbench/x/")
			}
			if err == nil {
				err = s.CheckThresholds()
			}
			if err == nil {
				t.Fatal("no error")
			}
			if text := err.Error(); !strings.Contains(text, c.want) || strings.Contains(text, "\n") || len(text) > 400 {
				t.Errorf("error %q, want %q in it, in one line", text, c.want)
			}
		})
	}
}

func TestScenarioFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mine.yaml")
	text := "parameters:\n  n: {default: 4}\nclients: ${2*n+min(n, 1)}\nphases:\n- {name: up, duration: \"${n}s\", rate: 10, rate-end: \"${n*100}\"}\nmix:\n- workload: put\n  params: {val-size: \"${n*100}-${n*200}\"}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := workloads.FindScenario(file, map[string]float64{"n": 8})
	if err != nil {
		t.Fatal(err)
	}
	ph := s.PlanPhases()[0]
	if s.Name != "mine" || s.Clients != 17 || ph.Duration != 8*time.Second || ph.Load.RateEnd != 800 || s.Mix[0].Params["val-size"].Text != "800-1600" {
		t.Errorf("%+v %+v", s, ph)
	}
	for name, want := range map[string]string{
		"nowhere.yaml":             "no such file",
		"./nowhere":                "no such file",
		dir + "/":                  "is a directory",
		"kubernets":                `did you mean "kubernetes"?`,
		strings.Repeat("long", 99): "unknown workload or scenario",
	} {
		if _, err := workloads.FindScenario(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if _, err := workloads.FindScenario("put", map[string]float64{"n": 8}); err == nil {
		t.Error("a workload took a parameter of scenarios")
	}
}

func FuzzParseScenario(f *testing.F) {
	for _, name := range workloads.BuiltIn() {
		text, err := workloads.BuiltInText(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("mix: [{workload: put}]\nclients: ${1+2*(3-4)/5}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := workloads.ParseScenario("f.yaml", data, nil)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := workloads.ParseScenario("f.yaml", text, nil); err != nil {
			t.Errorf("what was written cannot be read: %v\n%s", err, text)
		}
	})
}

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
	if err != nil || d.Kind != "defragmentation" || d.At != workloads.Duration(90*time.Second) || d.Every != workloads.Duration(5*time.Minute) || d.Params["member"].Text != "all" {
		t.Errorf("%+v %v", d, err)
	}
	for text, want := range map[string]string{
		"defrag@5s":                           `unknown disturbance "defrag" (did you mean "defragmentation"?)`,
		"compaction@soon":                     `"soon" is not a time`,
		"compaction@5s/0s":                    "must not be 0",
		"compaction@5s/1ns":                   "less than 10ms",
		"compaction@-5s":                      "is not a time",
		"snapshot,member":                     `"member" is not name=value`,
		"snapshot,membr=leader":               `did you mean "member"?`,
		"watcher-storm,watchers=5,streams=50": "streams between 1 and as many",
		"":                                    "unknown disturbance",
	} {
		if _, err := workloads.ParseDisturbance(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// Every kind of disturbance does what it says, on a real cluster.
func TestDisturbances(t *testing.T) {
	c := startCluster(t, 3)
	eps := cluster.Endpoints(c)
	target := workloads.Target{Conns: dial(t, 3, eps...), Members: dial(t, 3, eps...), Prefix: "/disturbed/", Seed: 1}
	var list []workloads.Disturbance
	for _, text := range []string{
		"compaction@200ms", "compaction@100ms/500ms,previous=true,cas-key=compact_rev_key", "defragmentation@300ms,member=all", "snapshot@400ms,member=2",
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
	p := plan(4, bench.PlanPhase{Duration: 2500 * time.Millisecond})
	p.Drain = 500 * time.Millisecond // what is proposed while the leader moves may be lost
	run, err := bench.Run(t.Context(), p, w, bench.Options{Disturbances: bound})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, e := range run.Events {
		seen[e.Kind]++
		if wrong := e.Detail == "" && strings.Contains(e.Error, "there is no member 9"); e.Error != "" && !wrong {
			t.Errorf("%+v", e)
		}
	}
	if fmt.Sprint(seen) != "map[compaction:6 defragmentation:1 move-leader:1 range:2 snapshot:2 watcher-storm:1]" {
		t.Errorf("events %v: %+v", seen, run.Events)
	}
}

// The example that docs/scenarios.md teaches with can be read.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("no example")
	}
	s, err := workloads.ParseScenario("example.yaml", []byte(example), map[string]float64{"users": 500})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Entries("/etcdbench/x/"); err != nil {
		t.Error(err)
	}
	if err := s.CheckThresholds(); err != nil {
		t.Error(err)
	}
	if rate := s.MixRate(); rate != 125 {
		t.Errorf("rate %v, want 125: a fifth and a twentieth of the users", rate)
	}
}
