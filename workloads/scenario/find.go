package scenario

import (
	"embed"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

//go:embed builtin/*.yaml
var builtInFiles embed.FS

// BuiltIn returns the names of the built-in scenarios.
func BuiltIn() []string {
	files, err := fs.Glob(builtInFiles, "builtin/*.yaml")
	if err != nil {
		return nil // the pattern is valid
	}
	for i, f := range files {
		files[i] = nameOf(f)
	}
	return files
}

// Text returns the YAML text of a built-in scenario.
func Text(name string) ([]byte, error) {
	return builtInFiles.ReadFile("builtin/" + name + ".yaml")
}

// Find returns the scenario with that name: a workload alone, a built-in scenario, or a file.
// params are the values for its parameters.
func Find(name string, params map[string]float64) (*Scenario, error) {
	if _, err := workloads.Find(name); err == nil {
		if len(params) > 0 {
			return nil, fmt.Errorf("--param is for scenarios, and %s is a workload: use its flags", name)
		}
		return solo(name), nil
	}
	if data, err := Text(name); err == nil {
		return Parse(name+".yaml", data, params)
	}
	if IsFile(name) {
		data, err := Read(name)
		if err != nil {
			return nil, err
		}
		return Parse(name, data, params)
	}
	names := BuiltIn()
	for _, e := range workloads.All() {
		names = append(names, e.Name)
	}
	return nil, fmt.Errorf("unknown workload or scenario %q%s: see etcdbench workloads, or give a file that ends in .yaml", clip(name),
		results.Nearest(name, names))
}

// IsFile reports whether a name is the path of a scenario's file, and not the name of a
// workload or of a built-in scenario.
func IsFile(name string) bool {
	return strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml") || strings.ContainsRune(name, os.PathSeparator)
}

// Read returns the text of a scenario's file.
func Read(name string) ([]byte, error) {
	f, err := results.OpenFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxScenario+1))
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	if len(data) > maxScenario {
		return nil, fmt.Errorf("scenario: %s is larger than %d KiB, the limit for a scenario", name, maxScenario>>10)
	}
	return data, nil
}

// solo returns the scenario of a single workload, without phases of its own.
func solo(workload string) *Scenario {
	prefix := ""
	return &Scenario{Name: workload, Mix: []Entry{{Name: workload, Workload: workload, Params: Params{}, Prefix: &prefix}}}
}
