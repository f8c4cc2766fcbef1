package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// official are the flags of etcd's tools/benchmark with their defaults, of v3.5.21,
// v3.6.14 and v3.7.1 together.
var official = map[string][]string{
	"": {"endpoints=[127.0.0.1:2379]", "conns=1", "clients=1", "precise=false", "sample=false", "cert=", "key=", "cacert=",
		"insecure-skip-tls-verify=false", "user=", "dial-timeout=0s", "auto-sync-interval=0s", "report-perfdash=false", "target-leader=false"},
	"put": {"key-size=8", "val-size=8", "rate=0", "total=10000", "key-space-size=1", "sequential-keys=false", "prefix=", "compact-interval=0s",
		"compact-index-delta=1000", "check-hashkv=false"},
	"range": {"rate=0", "total=10000", "consistency=l", "limit=0", "count-only=false", "keys-only=false", "stream=false", "paginate=false",
		"prefix=false"},
	"txn-put": {"key-size=8", "val-size=8", "txn-ops=1", "rate=0", "total=10000", "key-space-size=1"},
	"txn-mixed": {"key-size=8", "val-size=8", "rate=0", "total=10000", "end-key=", "limit=1000", "key-space-size=1", "consistency=l",
		"rw-ratio=1"},
	"stm": {"isolation=r", "keys=1", "total=10000", "keys-per-txn=1", "txn-wr-percent=50", "stm-locker=stm", "val-size=8", "rate=0"},
	"watch": {"streams=10", "watch-per-stream=100", "watched-key-total=1", "put-rate=0", "put-total=1000", "key-size=32", "key-space-size=1",
		"sequential-keys=false"},
	"watch-latency": {"streams=10", "watchers-per-stream=10", "prevkv=false", "put-total=1000", "put-rate=100", "key-size=32", "val-size=32",
		"total=1000"}, // v3.5 alone has --total, of 10000
	"watch-get":       {"watchers=10000", "streams=1", "events=8"},
	"lease-keepalive": {"total=10000"},
	"mvcc":            {},
}

// Every command and flag of etcd's benchmark is known, with its default.
func TestOfficialFlags(t *testing.T) {
	root := newBenchmarkCommand()
	for name, want := range official {
		flags := pflag.NewFlagSet("globals", pflag.ContinueOnError)
		addOfficial(flags, officialGlobals())
		if name != "" {
			cmd, _, err := root.Find([]string{name})
			if err != nil {
				t.Fatal(err)
			}
			flags = cmd.LocalNonPersistentFlags()
		}
		var got []string
		flags.VisitAll(func(f *pflag.Flag) { got = append(got, f.Name+"="+f.DefValue) })
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("flags of benchmark %s:\n%v, want\n%v", name, got, want)
		}
	}
	if got := len(officialCommands()); got != len(official)-1 {
		t.Errorf("%d commands, want %d", got, len(official)-1)
	}
}

// wantSpec is what a command line stands for: everything that is not said by all of them.
type wantSpec struct {
	scenario string
	prefix   string
	workload string // name=value, sorted
	clients  int    // 0: 1
	conns    int    // 0: 1
	rate     float64
	total    uint64
	change   func(s *runner.Spec)
}

func (w wantSpec) spec() runner.Spec {
	none := time.Duration(0)
	clients, conns := max(1, w.clients), max(1, w.conns)
	s := runner.Spec{Schema: runner.Schema, Scenario: w.scenario, Prefix: w.prefix, Workload: map[string]string{}}
	s.Load = runner.Load{Clients: &clients, Conns: &conns, Total: &w.total, Warmup: &none}
	if w.rate > 0 {
		s.Load.Rate = &w.rate
	}
	s.Cluster.Endpoints = []string{"127.0.0.1:2379"}
	for _, p := range strings.Fields(w.workload) {
		name, value, _ := strings.Cut(p, "=")
		s.Workload[name] = strings.ReplaceAll(value, `\0`, "\x00")
	}
	if w.change != nil {
		w.change(&s)
	}
	return s
}

// The examples of etcd's documentation, and what each flag stands for.
func TestOfficialCommandLines(t *testing.T) {
	t.Parallel()
	reads := "consistency=l count-only=false keys-only=false limit=0 stream=false read-key=YOUR_KEY"
	for line, want := range map[string]wantSpec{
		"put": {scenario: "put", prefix: "b/", workload: "key-size=8 key-space-size=1 val-size=8", total: 10000},
		"--endpoints=h1:1,h2:2 --target-leader --conns=100 --clients=1000 put --key-size=8 --sequential-keys --total=100000 --val-size=256 --key-space-size=500": {
			scenario: "put", prefix: "b/", workload: "key-size=8 key-space-size=500 val-size=256 keys=sequential", total: 100000, clients: 1000, conns: 100,
			change: func(s *runner.Spec) {
				s.Cluster.Endpoints, s.Cluster.TargetLeader = []string{"h1:1", "h2:2"}, true
			}},
		"put --prefix /mine/ --rate 500 --check-hashkv --compact-interval 1m --compact-index-delta 77 --allow-disturbances --dial-timeout 2s --user me": {
			scenario: "put", prefix: "/mine/", workload: "key-size=14 key-space-size=1 val-size=8", total: 10000, rate: 500, change: func(s *runner.Spec) {
				yes, dial := true, 2*time.Second
				s.Verify, s.AllowDisturbances, s.Cluster.DialTimeout, s.Cluster.Remote.User = &yes, true, &dial, "me"
				s.Disturbances = []results.PlanDisturbance{{
					Kind: "compaction", At: time.Minute, Every: time.Minute, Params: map[string]string{"keep": "77"}}}
			}},
		"put --insecure-skip-tls-verify --keep-data --allow-existing": {
			scenario: "put", prefix: "b/", workload: "key-size=8 key-space-size=1 val-size=8", total: 10000, change: func(s *runner.Spec) {
				s.Cluster.Remote.InsecureSkipVerify, s.KeepData, s.AllowExisting = true, true, true
			}},
		"range YOUR_KEY":                        {scenario: "range", workload: reads, total: 10000},
		"range YOUR_KEY END --rate 7 --total 9": {scenario: "range", workload: reads + " read-end=END", total: 9, rate: 7},
		"range YOUR_KEY --prefix --paginate":    {scenario: "range", workload: reads + " span=prefix page-size=10000", total: 10000},
		"range --prefix --consistency=s --limit=5 --keys-only": {scenario: "range",
			workload: `consistency=s count-only=false keys-only=true limit=5 stream=false read-key=\0 read-end=\0`, total: 10000},
		"range YOUR_KEY --stream": {scenario: "range", workload: strings.Replace(reads, "stream=false", "stream=true", 1), total: 10000},
		"txn-put --txn-ops 3 --key-space-size 10": {scenario: "txn-put", prefix: "b/", total: 10000,
			workload: "key-size=8 key-space-size=10 keys=sequential txn-ops=3 val-size=8"},
		"txn-mixed --rw-ratio 2.5 --consistency s": {scenario: "txn-mixed", prefix: "b/", total: 10000,
			workload: "consistency=s key-size=8 key-space-size=1 keys=sequential limit=1000 rw-ratio=2.5 span=prefix val-size=8"},
		"stm --keys 20 --keys-per-txn 2 --isolation ss": {scenario: "stm", prefix: "b/", total: 10000,
			workload: "isolation=ss key-size=16 key-space-size=20 keys-per-txn=2 txn-wr-percent=50 val-size=8"},
		"watch --watched-key-total 20 --key-space-size 30 --sequential-keys --put-rate 50 --clients 4": {scenario: "watch", prefix: "b/", total: 1000,
			rate: 50, clients: 4, workload: "key-size=32 key-space-size=20 keys=sequential streams=10 val-size=26 watch-per-stream=100"},
		"watch-latency --prevkv --clients 9 --conns 3": {scenario: "watch", prefix: "b/", total: 1000, rate: 100, conns: 3,
			workload: "key-size=32 key-space-size=1 keys=sequential prev-kv=true streams=10 val-size=32 watch-per-stream=10"},
		"watch-latency --total 70": {scenario: "watch", prefix: "b/", total: 70, rate: 100,
			workload: "key-size=32 key-space-size=1 keys=sequential prev-kv=false streams=10 val-size=32 watch-per-stream=10"},
		"watch-get --watchers 50": {scenario: "watch-catchup", total: 50, clients: 50,
			workload: "get-rate=1000 key-space-size=1 past-events=8"},
		"lease-keepalive --clients 30 --total 500": {scenario: "lease-keepalive", total: 500, clients: 30, workload: "leases=30 once=true ttl=100s"},
	} {
		var out, errs bytes.Buffer
		args := append([]string{"benchmark"}, strings.Fields(line)...)
		if code := execute(t.Context(), append(args, "--dry-run", "--format", "json"), nil, &out, &errs); code != 0 {
			t.Errorf("%s: exit %d: %s", line, code, errs.String())
			continue
		}
		var plan planDocument
		if err := json.Unmarshal(out.Bytes(), &plan); err != nil {
			t.Fatal(err)
		}
		got, wanted := plan.Spec, want.spec()
		if want.prefix == "" {
			got.Prefix = ""
		}
		if !reflect.DeepEqual(got, wanted) {
			t.Errorf("%s:\n%s, want\n%s", line, asJSON(t, got), asJSON(t, wanted))
		}
	}
}

func asJSON(t *testing.T, v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// What is not accepted exits with 2 and one line that says why and what to do instead.
func TestOfficialRefusals(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"put --precise":                     "--precise is not accepted: reports round to three digits; --format json has full precision",
		"put --auto-sync-interval 1s":       "--auto-sync-interval is not accepted: the endpoints of a run stay the same",
		"put --user me:secret":              "--user takes the name alone",
		"put --compact-interval 1m":         "allow it with --allow-disturbances",
		"put --total 0":                     "--total must be positive",
		"put --key-space-size 10000000":     "--key-size 8 is too small",
		"put --sample --report-perfdash":    "--report-perfdash means --format perfdash",
		"put --endpoints=":                  "--endpoints is empty",
		"range":                             "the key is missing: give one, or --prefix",
		"range a b c":                       "at most 2 arg",
		"range a b --prefix":                "cannot be combined",
		"range a --rate -1":                 "--rate must not be negative",
		"range a --count-only --keys-only":  "cannot be combined",
		"range a --paginate --limit 3":      "--page-size cannot be combined with --limit",
		"range a --consistency x":           "--consistency must be l or s",
		"txn-put --txn-ops 2":               "--txn-ops 2 needs as many different keys",
		"txn-mixed --end-key x":             "--end-key is not accepted: it has no effect",
		"txn-mixed key":                     "have no effect",
		"stm --stm-locker lock-rpc":         "etcdbench run lock",
		"stm --keys-per-txn 2":              "--keys-per-txn must be",
		"watch-latency --val-size 8":        "--val-size must be at least 26 bytes",
		"watch-get --streams 2":             "--streams is not accepted: each watcher has a stream of its own",
		"mvcc put --total 5":                "it measures a library without a server",
		"puts":                              `unknown command "puts" (similar: "put")`,
		"lease-keepalive --nonsense":        "unknown flag: --nonsense",
		"put --metrics-listen nonsense:x:y": "--metrics-listen",
	} {
		var out, errs bytes.Buffer
		code := execute(t.Context(), append([]string{"benchmark"}, strings.Fields(line)...), nil, &out, &errs)
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		if last := lines[len(lines)-1]; code != exitUsage || !strings.Contains(last, want) {
			t.Errorf("%s: exit %d: %s, want %q", line, code, errs.String(), want)
		}
	}
}

// The table of the documentation is that of the program.
func TestMigrationTable(t *testing.T) {
	const path, begin, end = "../../docs/migration.md", "<!-- table: begin -->\n", "<!-- table: end -->"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", path)
	}
	want := before + begin + migrationTable() + end + after
	if reporttest.Updating() {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(data) {
		t.Errorf("%s is not up to date: go test ./cmd/etcdbench -run TestMigrationTable -update", path)
	}
}

func migrationTable() string {
	var b strings.Builder
	rows := func(flags []officialFlag) {
		b.WriteString("\n| flag | default | here |\n| --- | --- | --- |\n")
		for _, f := range flags {
			becomes := f.becomes
			switch {
			case f.refused != "":
				becomes = "not accepted: " + f.refused
			case becomes == "":
				becomes = "`--" + f.param + "`"
			}
			value := fmt.Sprint(f.value)
			if value == "" {
				value = "none"
			}
			fmt.Fprintf(&b, "| `--%s` | %s | %s |\n", f.name, strings.Trim(value, "[]"), becomes)
		}
		b.WriteString("\n")
	}
	b.WriteString("\n### All commands\n")
	rows(officialGlobals())
	for _, c := range officialCommands() {
		if c.workload == "" {
			fmt.Fprintf(&b, "### %s %s\n\nNot accepted: %s.\n\n", c.name, c.args, c.differs)
			continue
		}
		fmt.Fprintf(&b, "### %s\n\nRuns `%s`", strings.TrimSpace(c.name+" "+c.args), c.workload)
		var fixed []string
		for name, value := range c.fixed {
			fixed = append(fixed, "`--"+name+" "+value+"`")
		}
		if slices.Sort(fixed); len(fixed) > 0 {
			fmt.Fprintf(&b, " with %s", strings.Join(fixed, ", "))
		}
		fmt.Fprintf(&b, ". Unlike etcd's benchmark, %s.\n", c.differs)
		rows(c.flags)
	}
	return b.String()
}
