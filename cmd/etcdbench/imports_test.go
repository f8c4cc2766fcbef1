package main

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/etcdbench/etcdbench/"

// allowed says which of our packages each package may import: the rooms of
// docs/architecture.md. Only bench/cluster may link the etcd server.
var allowed = map[string][]string{
	"results":                       {},
	"report":                        {"results"},
	"report/browsertest":            {},
	"profiles":                      {"results"},
	"bench":                         {"results", "bench/machine"},
	"bench/machine":                 {"results"},
	"bench/link":                    {},
	"bench/cluster":                 {"results", "bench/machine", "bench/link"},
	"bench/transport":               {"results"},
	"bench/transport/transporttest": {"bench/link"},
	"bench/live":                    {"results"},
	"bench/versus":                  {"results"},
	"bench/capacity":                {"results"},
	"bench/tune":                    {"bench", "bench/versus", "results"},
	"workloads":                     {"bench", "results"},
}

func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	seen := 0
	for dec.More() {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		name, ours := strings.CutPrefix(p.ImportPath, module)
		if !ours {
			continue
		}
		seen++
		rooms, known := allowed[name]
		if !known && name != "cmd/etcdbench" {
			t.Errorf("package %s is in no room: add it to docs/architecture.md and to this test", name)
		}
		for _, imp := range p.Imports {
			room, ours := strings.CutPrefix(imp, module)
			switch {
			case ours && strings.HasPrefix(room, "cmd/"):
				t.Errorf("%s imports %s: nothing imports cmd", name, room)
			case ours && name != "cmd/etcdbench" && !slices.Contains(rooms, room):
				t.Errorf("%s imports %s, which is not one of %v", name, room, rooms)
			case strings.HasPrefix(imp, "go.etcd.io/etcd/server/") && name != "bench/cluster":
				t.Errorf("%s imports %s: only bench/cluster links the server", name, imp)
			case name == "bench" && strings.HasPrefix(imp, "go.etcd.io/etcd/"),
				name != "cmd/etcdbench" && strings.HasPrefix(imp, "github.com/spf13/cobra"):
				t.Errorf("%s imports %s", name, imp)
			}
		}
	}
	if seen < 8 {
		t.Errorf("saw only %d packages", seen)
	}
}
