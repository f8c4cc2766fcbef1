package scenario_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/workloads/scenario"
)

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
		"unknown field":       {text: mix + "clinets: 3\n", want: `s.yaml:2: unknown field "clinets" (similar: "clients")`},
		"unknown in phase":    {text: mix + "phases:\n  - name: a\n    durration: 3s\n", want: `s.yaml:4: unknown field "durration" (similar: "duration")`},
		"too many entries":    {text: "mix:\n" + strings.Repeat("  - {workload: put}\n", 300), want: "s.yaml:102: the mix has more than 100 entries"},
		"unknown workload":    {text: "mix:\n  - workload: putt\n", want: `s.yaml:2: unknown workload "putt" (similar: "put")`},
		"unknown param":       {text: "mix:\n  - workload: put\n    params: {val-sise: 3}\n", want: `s.yaml:3: put: no parameter "val-sise" (similar: "val-size")`},
		"wrong param":         {text: "mix:\n  - workload: put\n    params:\n      key-size: big\n", want: `s.yaml:4: put: parameter key-size: "big" is not a valid int`},
		"negative size":       {text: "mix: [{workload: put, params: {val-size: -5}}]", want: "neither a number of bytes"},
		"overflowing size":    {text: "mix: [{workload: put, params: {key-size: 99999999999999999999}}]", want: "not a valid int"},
		"huge value":          {text: "mix: [{workload: put, params: {val-size: 9999999}}]", want: "above etcd's request limit"},
		"list for a mapping":  {text: "cluster: [3]\n" + mix, want: "s.yaml:1: expected a mapping"},
		"mapping for a list":  {text: "mix: {workload: put}\n", want: "s.yaml:1: expected a list"},
		"text for a number":   {text: mix + "clients: many\n", want: "s.yaml:2: cannot read"},
		"twice":               {text: mix + "clients: 3\nclients: 4\n", want: `s.yaml:3: "clients" is a duplicate of line 2`},
		"weights of nothing":  {text: "mix:\n  - {workload: watch, weight: 0}\n", want: "s.yaml:2: the weights of the mix sum to 0"},
		"idle entry":          {text: "mix:\n  - {workload: put}\n  - {workload: range, weight: 0}\n", want: "s.yaml:3: range: range has no effect without a share"},
		"negative weight":     {text: "mix: [{workload: put, weight: -1}]", want: "must be a number, not negative"},
		"weight and rate":     {text: "mix: [{workload: put, weight: 1, rate: 1}]", want: "cannot be combined"},
		"some rates":          {text: "mix:\n  - {workload: put, rate: 1}\n  - {workload: range}\n", want: "s.yaml:3: range has no rate, but others have"},
		"escape in a phase":   {text: mix + "phases: [{name: \"a\\e[31m\", duration: 3s}]\n", want: `s.yaml:2: "a\x1b[31m" is not a name for a phase`},
		"escape in an entry":  {text: "mix: [{workload: put, name: \"a\\e[31m\"}]\n", want: `"a\x1b[31m" is not a name for an entry`},
		"escape in the name":  {text: "name: \"a\\e[31m\"\n" + mix, want: `"a\x1b[31m" is not a name for a scenario`},
		"same names":          {text: "mix:\n  - {workload: put}\n  - {workload: put}\n", want: `s.yaml:3: two entries of the mix have the name "put"`},
		"shares over 1":       {text: "mix: [{workload: put, params: {keys: hotspot, hot-keys: 1.5}}]", want: "shares between 0 and 1"},
		"shares over 100 %":   {text: "mix: [{workload: election, params: {crash-share: 101}}]", want: "share between 0 and 1"},
		"percentage over 100": {text: "mix: [{workload: stm, params: {txn-wr-percent: 101}}]", want: "between 0 and 100, not 101"},
		"too many watchers":   {text: "mix: [{workload: watch, params: {streams: 100000, watch-per-stream: 100000}}]", want: "must not be above"},
		"phase without end":   {text: mix + "phases: [{name: a}]\n", want: "s.yaml:2: it has no end"},
		"phase with two":      {text: mix + "phases: [{name: a, duration: 3s, total: 4}]\n", want: "cannot be combined"},
		"closed with a rate":  {text: mix + "phases: [{name: a, duration: 3s, closed: true, rate: 4}]\n", want: "cannot be combined"},
		"only warm-up":        {text: mix + "phases: [{name: a, duration: 3s, warmup: true}]\n", want: "at least one must be measured"},
		"negative duration":   {text: mix + "phases:\n- {name: a, duration: -3s}\n", want: `s.yaml:3: "-3s" is negative`},
		"bare duration":       {text: mix + "phases: [{name: a, duration: 30}]\n", want: `s.yaml:2: "30" is not a time with its unit`},
		"unknown kind":        {text: mix + "disturbances: [{kind: compation}]\n", want: `s.yaml:2: unknown disturbance "compation" (similar: "compaction")`},
		"wrong member":        {text: mix + "disturbances: [{kind: snapshot, params: {member: best}}]\n", want: `member "best" is none of`},
		"threshold, unit":     {text: mix + "thresholds: [put.response_time.p99 < 20]\n", want: "a time needs a unit, such as 20ms"},
		"threshold, op":       {text: mix + "thresholds: [putt.failed == 0]\n", want: `no operation "putt" (similar: "put")`},
		"threshold, metric":   {text: mix + "thresholds: [put.latency < 20ms]\n", want: `no metric "latency"`},
		"shared prefix":       {text: "mix:\n  - {workload: put, prefix: a/}\n  - {workload: range, prefix: a/, params: {key-size: 60}}\n", want: "share a prefix"},
		"prefix in prefix":    {text: "mix:\n  - {workload: put, prefix: a/}\n  - {workload: range, prefix: a/b/}\n", want: "contains that of"},
		"unknown parameter":   {text: "parameters: {nodes: {default: 3}}\n" + mix, params: map[string]float64{"node": 3}, want: `there is no parameter "node" (similar: "nodes")`},
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
			s, err := scenario.Parse("s.yaml", []byte(c.text), c.params)
			if err == nil {
				_, err = s.PlanEntries("/etcdbench/x/")
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
	s, err := scenario.Find(file, map[string]float64{"n": 8})
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
		"kubernets":                `similar: "kubernetes"`,
		strings.Repeat("long", 99): "unknown workload or scenario",
	} {
		if _, err := scenario.Find(name, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if _, err := scenario.Find("put", map[string]float64{"n": 8}); err == nil {
		t.Error("a workload took a parameter of scenarios")
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range scenario.BuiltIn() {
		text, err := scenario.Text(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("mix: [{workload: put}]\nclients: ${1+2*(3-4)/5}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := scenario.Parse("f.yaml", data, nil)
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
		if _, err := scenario.Parse("f.yaml", text, nil); err != nil {
			t.Errorf("what was written cannot be read: %v\n%s", err, text)
		}
	})
}

// The example that docs/scenarios.md teaches with can be read.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(doc), "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("no example")
	}
	s, err := scenario.Parse("example.yaml", []byte(example), map[string]float64{"users": 500})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PlanEntries("/etcdbench/x/"); err != nil {
		t.Error(err)
	}
	if err := s.CheckThresholds(); err != nil {
		t.Error(err)
	}
	if rate := s.MixRate(); rate != 125 {
		t.Errorf("rate %v, want 125: a fifth and a twentieth of the users", rate)
	}
}
