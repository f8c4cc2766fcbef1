package manifest_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/etcdbench/etcdbench/bench/agent/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func options() manifest.Options {
	return manifest.Options{
		Name: "etcdbench", Image: "registry.example/etcdbench:v1", Agents: 20, JoinSecret: "etcdbench-join", CPU: "1", Memory: "1Gi",
		JoinTimeout: 10 * time.Minute, Command: []string{"run", "put", "--endpoints", "http://etcd:2379"},
	}
}

func full() manifest.Options {
	o := options()
	o.Name, o.Namespace, o.Agents, o.Secret, o.Claim = "load", "bench", 3, "etcd-client", "results"
	o.Command = []string{"capacity", "--endpoints", "https://etcd:2379", "--cacert", "/credentials/ca.crt", "--cert", "/credentials/tls.crt",
		"--key", "/credentials/tls.key", "--user", "root"}
	return o
}

func write(t *testing.T, o manifest.Options) string {
	t.Helper()
	var b strings.Builder
	if err := manifest.Write(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// The manifests are those of the golden files, which another module decodes into the types
// of Kubernetes.
func TestGolden(t *testing.T) {
	for name, o := range map[string]manifest.Options{"small": options(), "full": full()} {
		path, got := filepath.Join("testdata", name+".yaml"), write(t, o)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(path); err != nil || got != string(want) {
			t.Errorf("%s: %v; the manifest is\n%s", name, err, got)
		}
	}
}

// pod is what the test reads of a Job.
type pod struct {
	Kind string
	Spec struct {
		Template struct {
			Spec struct{ Containers []struct{ Args []string } }
		}
	}
}

// arguments are those of a manifest's two Jobs, as a container gets them.
func arguments(t *testing.T, text string) (jobs [][]string) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(text))
	kinds := ""
	for {
		var p pod
		if d.Decode(&p) != nil {
			break
		}
		kinds += p.Kind + " "
		if p.Kind == "Job" {
			var args []string
			for _, a := range p.Spec.Template.Spec.Containers[0].Args {
				args = append(args, expand(a))
			}
			jobs = append(jobs, args)
		}
	}
	if kinds != "Service Job Job " {
		t.Fatalf("the manifest has %s:\n%s", kinds, text)
	}
	return jobs
}

// expand is what Kubernetes makes of an argument, where no variable has a value.
func expand(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '$' || i+1 == len(s):
			b.WriteByte(s[i])
		case s[i+1] == '$':
			b.WriteByte('$')
			i++
		case s[i+1] == '(' && strings.Contains(s[i:], ")"):
			b.WriteString("REPLACED")
			i += strings.Index(s[i:], ")")
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// hostile are arguments that mean something to YAML or to Kubernetes.
var hostile = []string{
	"", " ", "a\nb", "\"", "\\", "'", "#", ": x", "- x", "---", "...", "{{.}}", "$(ETCDBENCH_JOIN)", "$$(X)", "$", "$$", "a$", "&x", "*x", "!x", "%x", "@",
	"`", "~", "null", "true", "0x1", "1e3", "\u0000x"[1:], "\u0001", "\u007f", "\u0085", "\u2028", "\ufeff", "ü", "😀", "\t", "\r\n", "\"\n---\nkind: Pod\n",
}

// Every argument reaches the container as it was given.
func TestArguments(t *testing.T) {
	o := options()
	o.Command = append([]string{"run"}, hostile...)
	jobs := arguments(t, write(t, o))
	want := append([]string{"run", "--agents=20", "--coordinator-listen=:2389", "--join-timeout=10m0s"}, hostile...)
	if !slices.Equal(jobs[0], want) {
		t.Errorf("got %q, want %q", jobs[0], want)
	}
	if want := []string{"agent", "--join=https://etcdbench-coordinator:2389", "--join-timeout=10m0s"}; !slices.Equal(jobs[1], want) {
		t.Errorf("got %q, want %q", jobs[1], want)
	}
}

func FuzzArgument(f *testing.F) {
	for _, h := range hostile {
		f.Add(h)
	}
	f.Fuzz(func(t *testing.T, argument string) {
		o := options()
		o.Command = []string{"run", argument}
		var b strings.Builder
		if manifest.Write(&b, o) != nil {
			return
		}
		if got := arguments(t, b.String())[0][4]; got != argument {
			t.Errorf("got %q, want %q", got, argument)
		}
	})
}

// What Kubernetes would refuse is refused, and so is what could change the manifest.
func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(o *manifest.Options){
		"--name must be":         func(o *manifest.Options) { o.Name = "a\nb" },
		"at most 40":             func(o *manifest.Options) { o.Name = strings.Repeat("a", 41) },
		"--namespace must be":    func(o *manifest.Options) { o.Namespace = "Bench" },
		"--join-secret must be":  func(o *manifest.Options) { o.JoinSecret = "" },
		"--secret must be":       func(o *manifest.Options) { o.Secret = "x, key: y" },
		"--claim must be":        func(o *manifest.Options) { o.Claim = "x}" },
		"--cpu must be":          func(o *manifest.Options) { o.CPU = "much" },
		"--memory must be":       func(o *manifest.Options) { o.Memory = "-1Gi" },
		"between 1 and":          func(o *manifest.Options) { o.Agents = 0 },
		"and 10000":              func(o *manifest.Options) { o.Agents = 10001 },
		"--image must name":      func(o *manifest.Options) { o.Image = "a b" },
		"--join-timeout must be": func(o *manifest.Options) { o.JoinTimeout = 0 },
		"command is missing":     func(o *manifest.Options) { o.Command = nil },
		"not valid text":         func(o *manifest.Options) { o.Command = []string{"run", "\xff"} },
	} {
		o := full()
		change(&o)
		var b strings.Builder
		if err := manifest.Write(&b, o); err == nil || !strings.Contains(err.Error(), want) || b.Len() > 0 {
			t.Errorf("%v, want %q; %d bytes were written", err, want, b.Len())
		}
	}
}
