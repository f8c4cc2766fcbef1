package experiment_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
)

type config struct {
	Name string `json:"name"`
}

func document() experiment.Document[config] {
	d := experiment.Document[config]{Kind: "gate", Options: config{Name: "x"}}
	d.Spec.Load.Clients = new(3)
	d.Spec.Cluster.Start.Binary = "/bin/etcd"
	d.Spec.Cluster.Start.Env = []runner.Variable{{Name: "TOKEN", Value: "hunter2"}}
	return d
}

// What an experiment was asked can be read again; values of the environment are not in
// it, and a directory holds one experiment.
func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if err := experiment.Save(dir, document()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, experiment.File))
	if err != nil || strings.Contains(string(data), "hunter2") {
		t.Errorf("%s, %v", data, err)
	}
	back, err := experiment.Load[config](dir, "gate")
	if err != nil || *back.Spec.Load.Clients != 3 || back.Options.Name != "x" || back.Spec.Cluster.Start.Env[0].Value != "" {
		t.Errorf("%+v, %v", back, err)
	}
	if err := experiment.Save(dir, document()); err == nil || !strings.Contains(err.Error(), "--resume") {
		t.Errorf("a second experiment: %v", err)
	}
	if _, err := experiment.Load[config](dir, "tune"); err == nil || !strings.Contains(err.Error(), "is a gate, not a tune") {
		t.Errorf("another kind: %v", err)
	}
	if _, err := experiment.Load[config](t.TempDir(), "gate"); err == nil || !strings.Contains(err.Error(), "holds no experiment") {
		t.Errorf("nothing there: %v", err)
	}
}

// An experiment is one process's at a time.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	if err := experiment.Save(dir, document()); err != nil {
		t.Fatal(err)
	}
	unlock, err := experiment.Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := experiment.Lock(dir); err == nil || !strings.Contains(err.Error(), "another process works on the experiment in "+dir) {
		t.Errorf("a second time: %v", err)
	}
	unlock()
	if unlock, err = experiment.Lock(dir); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// A saved experiment starts no program and passes no value that its user does not give
// again.
func TestAuthorize(t *testing.T) {
	for _, c := range []struct {
		binary string
		env    []runner.Variable
		side   string
		want   string
	}{
		{"", nil, "", "confirm it with --etcd-binary /bin/etcd"},
		{"/bin/other", nil, "--candidate", "confirm it with --candidate binary=/bin/etcd"},
		{"/bin/etcd", nil, "", "TOKEN again with --member-env TOKEN=VALUE"},
		{"/bin/etcd", []runner.Variable{{Name: "OTHER", Value: "1"}}, "--baseline", "TOKEN again with --baseline env:TOKEN=VALUE"},
		{"/bin/etcd", []runner.Variable{{Name: "TOKEN", Value: "1"}}, "", ""},
	} {
		saved := document().Spec
		saved.Cluster.Start.Env[0].Value = ""
		var again runner.Spec
		again.Cluster.Start.Binary, again.Cluster.Start.Env = c.binary, c.env
		err := experiment.Authorize(&saved, again, c.side)
		switch {
		case c.want == "" && (err != nil || saved.Cluster.Start.Env[0].Value != "1"):
			t.Errorf("%+v, %v", saved, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
}

// Whatever a file holds, it is read as a document or refused in one line.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(`{"schema": "etcdbench.experiment/v1", "kind": "gate", "spec": {"load": {"clients": 3}}, "options": {"name": "x"}}`))
	f.Add([]byte(`{"schema": "etcdbench.experiment/v9"}`))
	f.Add([]byte(`{"schema": "etcdbench.experiment/v1", "kind": "gate", "unknown": 1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, experiment.File), data, 0o644); err != nil {
			t.Fatal(err)
		}
		d, err := experiment.Load[config](dir, "gate")
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("error %q", err)
		}
		if err == nil {
			_, _ = d.Spec.Resolve("")
		}
	})
}
