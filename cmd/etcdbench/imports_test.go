package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/etcdbench/etcdbench/"

// room is one line of the table in docs/architecture.md.
type room struct {
	// all says that the package may import every other one of ours; otherwise it may
	// import those in imports.
	all     bool
	imports []string
}

var quoted = regexp.MustCompile("`([^`]+)`")

// readRooms reads the table "Packages" of an architecture document: the package in the
// first column, and in the third those of ours that it may import.
func readRooms(document string) (map[string]room, error) {
	_, section, ok := strings.Cut(document, "\n## Packages\n")
	if !ok {
		return nil, fmt.Errorf("no section \"Packages\"")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rooms := map[string]room{}
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		if len(cells) != 3 {
			return nil, fmt.Errorf("want three columns, got %d: %s", len(cells), line)
		}
		names := quoted.FindStringSubmatch(cells[0])
		if names == nil {
			return nil, fmt.Errorf("no package in the first column: %s", line)
		}
		if _, twice := rooms[names[1]]; twice {
			return nil, fmt.Errorf("package %s has two lines", names[1])
		}
		r := room{all: strings.TrimSpace(cells[2]) == "all"}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			r.imports = append(r.imports, m[1])
		}
		rooms[names[1]] = r
	}
	if len(rooms) == 0 {
		return nil, fmt.Errorf("section \"Packages\" has no table")
	}
	return rooms, nil
}

// checkImports returns what the imports of our packages, by package, have against the
// rooms.
func checkImports(rooms map[string]room, packages map[string][]string) []string {
	var found []string
	report := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	for name, r := range rooms {
		for _, listed := range append([]string{name}, r.imports...) {
			if _, exists := packages[listed]; !exists {
				report("the line of %s names %s, which does not exist", name, listed)
			}
		}
	}
	for name, imports := range packages {
		r, known := rooms[name]
		if !known {
			report("package %s has no line", name)
			continue
		}
		for _, path := range imports {
			other, ours := strings.CutPrefix(path, module)
			switch {
			case ours && strings.HasPrefix(other, "cmd/"):
				report("%s imports %s: nothing may import cmd", name, other)
			case ours && !r.all && !slices.Contains(r.imports, other):
				report("%s imports %s, which is not one of %v", name, other, r.imports)
			case strings.HasPrefix(path, "go.etcd.io/etcd/server/") && name != "bench/cluster":
				report("%s imports %s: only bench/cluster links the server", name, path)
			case name == "bench" && strings.HasPrefix(path, "go.etcd.io/etcd/"),
				!r.all && strings.HasPrefix(path, "github.com/spf13/cobra"):
				report("%s imports %s", name, path)
			}
		}
	}
	return found
}

// Every package imports what the table in docs/architecture.md allows, and the table
// has exactly our packages.
func TestImports(t *testing.T) {
	document, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := readRooms(string(document))
	if err != nil {
		t.Fatalf("docs/architecture.md: %v", err)
	}
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string][]string{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
	for _, problem := range checkImports(rooms, packages) {
		t.Errorf("docs/architecture.md, Rooms: %s", problem)
	}
}

// The check finds an import that is not allowed, a package without a line, and a line
// without a package.
func TestImportsAreChecked(t *testing.T) {
	rooms, err := readRooms("# A\n\n## Packages\n\n| room | what | imports |\n| --- | --- | --- |\n" +
		"| `cmd/x` | it has `code` | all |\n| `a` | it has none | |\n| `b` | | `a`, `gone` |\n\n## B\n\n| `c` | | |\n")
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(checkImports(rooms, map[string][]string{
		"cmd/x": {module + "a", module + "b", "github.com/spf13/cobra"}, "a": {module + "b", "fmt"}, "b": {module + "a", module + "cmd/x"}, "c": nil,
	}), "\n")
	for _, want := range []string{"a imports b, which is not one of []", "b imports cmd/x: nothing", "package c has no line", "the line of b names gone"} {
		if !strings.Contains(found, want) {
			t.Errorf("not found: %q in\n%s", want, found)
		}
	}
	if n := strings.Count(found, "\n"); n != 3 {
		t.Errorf("%d found more than expected:\n%s", n-3, found)
	}
	for _, bad := range []string{"no rooms", "\n## Packages\n\ntext\n", "\n## Packages\n\n| `a` | two |\n", "\n## Packages\n| `a` | | |\n| `a` | | |\n"} {
		if rooms, err := readRooms(bad); err == nil {
			t.Errorf("%q gave %v", bad, rooms)
		}
	}
}
