package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/scenario"
	"github.com/spf13/pflag"
	etcdtransport "go.etcd.io/etcd/client/pkg/v3/transport"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// measuring are the commands that measure, each with arguments that make a short plan.
var measuring = map[string][]string{
	"run":      {"run"},
	"gate":     {"gate", "--aa"},
	"qualify":  {"qualify", "--aa"},
	"capacity": {"capacity", "--slo", "FIRST.throughput > 1/s"},
	"tune":     {"tune", "--rtt", "10ms"},
	"scale":    {"scale", "--sizes", "20MB"},
}

// refused are the flags that a command decides itself: it names them when they are given.
var refused = map[string][]string{
	"gate":     {"duration", "total"},
	"qualify":  {"duration", "total"},
	"scale":    {"endpoints", "duration", "total", "in-process", "disturb"},
	"capacity": {"rate", "duration", "total"},
	"tune":     {"duration", "total", "warmup", "heartbeat-interval", "election-timeout", "in-process", "disturb"},
}

// sample is how a flag is given: its value, what it needs besides, and the workload that
// it is for.
type sample struct {
	value    string
	with     []string
	workload string
	// and is what the flag cannot do without, nor that without the flag.
	and []string
}

var running = []string{"--endpoints", "127.0.0.1:1"}

// samples are those of flags whose type alone does not tell a good value.
func samples(t *testing.T) map[string]sample {
	info, err := etcdtransport.SelfCert(zap.NewNop(), t.TempDir(), []string{"127.0.0.1:0"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	open := []string{"--rate", "500"}
	return map[string]sample{
		"arrival": {value: "poisson", with: open}, "queue": {value: "77", with: open},
		"transport": {value: "grpc"}, "param": {value: "nodes=20", workload: "kubernetes"}, "disturb": {value: "snapshot@1s"},
		"members": {value: "5"}, "etcd-binary": {value: "/bin/true"}, "etcd-version": {value: "v3.6.14"},
		"heartbeat-interval": {value: "70ms"}, "election-timeout": {value: "1500ms"}, "quota": {value: "3GiB"},
		"auto-compaction": {value: "5m"}, "tls": {value: "auto"}, "etcd-flag": {value: "max-txn-ops=300"}, "member-env": {value: "GOGC=33"},
		"sizes": {value: "30MB"}, "object-size": {value: "2kB"}, "rtt": {value: "12ms"}, "jitter": {value: "1ms", with: []string{"--rtt", "10ms"}}, "bandwidth": {value: "10MiB"},
		"zones": {value: "a,b,c"}, "zone-rtt": {value: "a-b=20ms", with: []string{"--zones", "a,b,c"}}, "base-port": {value: "20000"},
		"data-dir": {value: t.TempDir()}, "endpoints": {value: "127.0.0.1:1"},
		"cacert": {value: info.CertFile, with: running}, "cert": {value: info.CertFile, with: running, and: []string{"--key", info.KeyFile}},
		"key":                      {value: info.KeyFile, with: running, and: []string{"--cert", info.CertFile}},
		"insecure-skip-tls-verify": {value: "true", with: running}, "user": {value: "me", with: running},
		"metrics-endpoints": {value: "127.0.0.1:2", with: running},
		"pprof-endpoints":   {value: "127.0.0.1:2", with: append([]string{"--profile", "cpu"}, running...)},
		"keep-data":         {value: "true", with: running}, "allow-existing": {value: "true", with: running},
		"verify": {value: "true", with: running}, "crash-share": {value: "0.3"}, "server-metrics": {value: "false"}, "profile": {value: "heap"}, "prefix": {value: "/mine/"},
		"total": {value: "1000"}, "slo": {value: "FIRST.throughput > 2/s"}, "metric": {value: "p99"}, "margin": {value: "p99=20%"},
		"precision": {value: "0.2"}, "safe": {value: "60%", with: []string{"--demand", "500/s"}}, "growth": {value: "5%", with: []string{"--demand", "500/s"}},
		"demand": {value: "500/s"}, "over": {value: "nodes", workload: "kubernetes"}, "rounds": {value: "14"},
		"heartbeat": {value: "60ms"}, "election": {value: "700ms"}, "dimension": {value: "snapshot-count"},
		"try": {value: "777", with: []string{"--dimension", "snapshot-count"}}, "sweep": {value: "false"},
		"baseline": {value: "backend-batch-limit=5"},
		"agents":   {value: "local:3"}, "on-agent-loss": {value: "continue"},
		// Of workloads.
		"keys": {value: "uniform"}, "val-size": {value: "100-200"}, "values": {value: "half"}, "compressibility": {value: "0.5"}, "key-size": {value: "64"},
		"zipf-theta": {value: "0.5"}, "hot-keys": {value: "0.1"}, "hot-ops": {value: "0.7"}, "page-size": {value: "10"},
		"span": {value: "20"}, "stream": {value: "auto"}, "consistency": {value: "s"}, "verbs": {value: "update,delete"}, "past-events": {value: "777"}, "watch-span": {value: "prefix"},
		"rw-ratio": {value: "2"}, "txn-ops": {value: "3"}, "isolation": {value: "s"}, "read-key": {value: "a", workload: "range"}, "read-end": {value: "b", with: []string{"--read-key", "a"}, workload: "range"},
		"existing": {value: "true", with: []string{"--prefix", "/mine/"}},
	}
}

// valueOf is a value of the flag that is not its default.
func valueOf(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return map[string]string{"true": "false", "false": "true", "": "true"}[f.DefValue]
	case "duration":
		return "7s"
	case "int", "uint", "int64", "uint64":
		return "7"
	case "float", "float64":
		return "777"
	}
	return "words"
}

// planned is what a command would do: its whole answer, and the specification of every
// run.
type planned struct {
	Options json.RawMessage `json:"options"`
	Runs    []struct {
		Name string          `json:"name"`
		Spec json.RawMessage `json:"spec"`
	} `json:"runs"`
}

// dryRun asks a command what it would do.
func dryRun(t *testing.T, args []string) (p planned, code int, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = execute(t.Context(), append(slices.Clone(args), "--dry-run", "--format", "json", "--out", filepath.Join(t.TempDir(), "never")), nil, &out, &errs)
	if code == 0 {
		if err := json.Unmarshal(out.Bytes(), &p); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
	}
	return p, code, errs.String()
}

// Every flag that a command has reaches the specification of every run that the command
// makes, or the options of its experiment; or the command refuses it and names it.
func TestEveryFlagReachesTheSpec(t *testing.T) {
	known := samples(t)
	for name, args := range measuring {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared, own := flagsOf(t, name)
			for _, f := range shared {
				s := sampleOf(known, f)
				if name == "scale" && slices.Contains(slices.Concat(s.with, s.and), "--endpoints") {
					continue // it starts its cluster
				}
				if name == "tune" && s.workload == "storage-compact" {
					continue // it has no members
				}
				if (name == "gate" || name == "qualify") && f.Name == "verify" {
					s.value = "false" // gates prove on any cluster
				}
				without, with := commandLines(args, f, s)
				before, code, stderr := dryRun(t, without)
				if code != 0 {
					t.Fatalf("%v: exit %d: %s", without, code, stderr)
				}
				after, code, stderr := dryRun(t, with)
				switch {
				case slices.Contains(refused[name], f.Name):
					if code != exitUsage || !strings.Contains(stderr, "--"+f.Name) {
						t.Errorf("%s --%s: want a refusal that names it, got exit %d: %s", name, f.Name, code, stderr)
					}
				case code != 0:
					t.Errorf("%v: exit %d: %s", with, code, stderr)
				default:
					compareSpecs(t, with, before, after)
				}
			}
			for _, f := range own {
				without, with := commandLines(args, f, sampleOf(known, f))
				before, code, stderr := dryRun(t, without)
				after, code2, stderr2 := dryRun(t, with)
				if code != 0 || code2 != 0 {
					t.Errorf("%v: exit %d, %d: %s%s", with, code, code2, stderr, stderr2)
				} else if bytes.Equal(before.Options, after.Options) {
					t.Errorf("%s --%s does not reach the experiment's options", name, f.Name)
				}
			}
			if len(shared) < 80 {
				t.Errorf("saw only %d flags", len(shared))
			}
		})
	}
}

// compareSpecs wants the flag in each of the planned runs.
func compareSpecs(t *testing.T, args []string, before, after planned) {
	t.Helper()
	specs := map[string]json.RawMessage{}
	for _, r := range before.Runs {
		specs[r.Name] = r.Spec
	}
	if len(after.Runs) == 0 {
		t.Errorf("%v: no run is planned", args)
	}
	for _, r := range after.Runs {
		if bytes.Equal(specs[r.Name], r.Spec) {
			t.Errorf("%v: %s: the flag does not reach the specification", args, r.Name)
		}
	}
}

// notOfTheSpec are flags that say what is printed or saved, or which experiment goes on.
var notOfTheSpec = []string{"out", "format", "progress", "dry-run", "resume", "help", "gate", "metrics-listen", "web", "history", "accept", "threshold", "candidate", "aa", "slot-duration",
	"coordinator-listen", "coordination-endpoints", "join-file", "join-timeout"}

// flagsOf are the flags of a command: those of specifications, and its own.
func flagsOf(t *testing.T, name string) (shared, own []*pflag.Flag) {
	cmd, _, err := newRootCommand().Find([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	all := pflag.NewFlagSet("spec", pflag.ContinueOnError)
	(&specFlags{}).add(&flagGroups{all: all})
	all.VisitAll(func(f *pflag.Flag) {
		if cmd.Flags().Lookup(f.Name) == nil {
			t.Errorf("%s has no --%s", name, f.Name)
		}
	})
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		switch of := all.Lookup(f.Name); {
		case of != nil:
			if of.Usage != f.Usage || of.Value.Type() != f.Value.Type() {
				t.Errorf("%s --%s means something else than in other commands", name, f.Name)
			}
			shared = append(shared, f)
		case !slices.Contains(notOfTheSpec, f.Name):
			own = append(own, f)
		}
	})
	return shared, own
}

// sampleOf is how the flag is given.
func sampleOf(known map[string]sample, f *pflag.Flag) sample {
	s := known[f.Name]
	if s.value == "" {
		s.value = valueOf(f)
	}
	if s.workload == "" {
		s.workload = "put"
		if name := workloadOf(f.Name); name != "" {
			s.workload = name
		}
	}
	return s
}

// commandLines are the command without and with the flag.
func commandLines(args []string, f *pflag.Flag, s sample) (without, with []string) {
	for _, a := range args {
		without = append(without, strings.ReplaceAll(a, "FIRST", firstOperation(s.workload)))
	}
	without = slices.Insert(without, 1, s.workload)
	for i := 0; i < len(s.with); i += 2 {
		if args[0] == "capacity" && s.with[i] == "--rate" || s.with[i] == "--"+f.Name {
			continue
		}
		without = append(without, s.with[i], s.with[i+1])
	}
	if slices.Contains(without, "--endpoints") || f.Name == "endpoints" || f.Name == "zones" {
		without = slices.DeleteFunc(without, func(a string) bool { return a == "--rtt" || a == "10ms" })
	}
	with = slices.DeleteFunc(slices.Clone(without), func(a string) bool { return f.Name == "slo" && (a == "--slo" || strings.Contains(a, "throughput")) })
	return without, append(with, append(s.and, "--"+f.Name+"="+strings.ReplaceAll(s.value, "FIRST", firstOperation(s.workload)))...)
}

// workloadOf is a workload that has the parameter, "" where none has.
func workloadOf(param string) string {
	for _, e := range workloads.All() {
		if _, params, err := e.Configure(nil); err == nil && params.Lookup(param) != nil {
			return e.Name
		}
	}
	return ""
}

// firstOperation is one that the workload or scenario reports.
func firstOperation(name string) string {
	s, err := scenario.Find(name, nil)
	if err != nil {
		return name
	}
	entries, err := s.PlanEntries("/x/")
	if err != nil {
		return name
	}
	parts, err := workloads.Parts(entries)
	if err != nil {
		return name
	}
	w, err := workloads.Compose(workloads.Composition{Name: name, Parts: parts}, workloads.Target{Prefix: "/x/", Conns: make([]grpc.ClientConnInterface, 1)})
	if err != nil {
		return name
	}
	return w.Kinds()[0].Name
}
