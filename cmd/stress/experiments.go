package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/etcdbench/etcdbench/report"
	"github.com/etcdbench/etcdbench/results"
)

// tryExperiments damages a document of a gate or an experiment of any kind, and reports it in a
// random format.
func tryExperiments(t *trial) error {
	files, err := filepath.Glob(filepath.Join(t.documents, "*.json"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no documents in %s: %w", t.documents, err)
	}
	from := pick(t, files)
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	file := filepath.Join(t.dir, filepath.Base(from))
	how := t.damageFile(file, data, t.damage)
	args := []string{"report", file, "--format", pick(t, report.All()).Name}
	if strings.HasPrefix(filepath.Base(from), "scale") && t.IntN(3) == 0 {
		args = []string{"compare", from, file}
	}
	return t.read(how, args...)
}

// tryScenarios damages a scenario, a saved specification or a saved experiment. It only prints the plan.
func tryScenarios(t *trial) error {
	file := filepath.Join(t.dir, "file.yaml")
	args := []string{pick(t, []string{"run", "capacity", "tune", "scale"}), file}
	damage := t.damageYAML
	var data []byte
	var err error
	switch t.IntN(3) {
	case 0:
		files, globErr := filepath.Glob(filepath.Join(t.scenarios, "*.yaml"))
		if globErr != nil || len(files) == 0 {
			return fmt.Errorf("no scenarios in %s: %w", t.scenarios, globErr)
		}
		data, err = os.ReadFile(pick(t, files))
	case 1:
		file = filepath.Join(t.dir, results.ExperimentFile)
		args, damage = []string{"capacity", "--resume", t.dir}, t.damage
		data, err = os.ReadFile(filepath.Join(t.experiment, results.ExperimentFile))
	default:
		data, err = t.savedPlan()
	}
	if err != nil {
		return err
	}
	how := t.damageFile(file, data, damage)
	return t.read(how, append(args, "--dry-run", "--format", pick(t, []string{"text", "json"}))...)
}

// savedPlan is the plan of a run as a file that can be run again.
func (t *trial) savedPlan() ([]byte, error) {
	c, err := t.start("run", "kubernetes", "--param", "nodes=10", "--rate", "100", "--dry-run")
	if err != nil {
		return nil, err
	}
	t.finish(c, 2*patience, 0)
	return c.out.Bytes(), nil
}

// damageFile writes damaged data and says how they were damaged.
func (t *trial) damageFile(file string, data []byte, damage func([]byte) ([]byte, string)) (how string) {
	for range 1 + t.IntN(3) {
		var one string
		if data, one = damage(data); one != "" {
			how += " " + one
		}
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return err.Error() // the command finds nothing to read
	}
	return filepath.Base(file) + how
}

// read lets etcdbench read a damaged file. It must read the file or refuse it in one line.
func (t *trial) read(how string, args ...string) error {
	t.what = how + ": " + strings.Join(args, " ")
	c, err := t.start(args...)
	if err != nil {
		return err
	}
	code := t.finish(c, 2*patience, 0, 2)
	t.rawOutput(c)
	if lines := strings.Count(c.out.String(), "\n"); code == 2 && lines > 1 {
		t.find(exitCode, "%s: an error of %d lines: %s", t.what, lines, lastLines(c.out.String()))
	}
	return nil
}

var (
	yamlNumber = regexp.MustCompile(`: -?\d[-+.eE\w]*`)
	yamlText   = regexp.MustCompile(`: [A-Za-z][^\n]*`)
)

// damageYAML changes a YAML file in one way, and says how.
func (t *trial) damageYAML(data []byte) (damaged []byte, how string) {
	switch t.IntN(4) {
	case 0:
		extremes := []string{"-1", "0", ".nan", ".inf", "1e308", "99999999999999999999", "1000000h", "-5s", "~", "[]", "{a: b}"}
		return t.replace(data, yamlNumber, ": "+pick(t, extremes)), "number"
	case 1:
		texts := []string{
			`""`, `"\e[31m\a"`, strings.Repeat("A", 100_000), "[" + strings.Repeat("[", 5000), "&a [*a]", "$(id)", "${x}", "!!binary x", "1",
			"pods * nodes ^ 9999999", "((((((((((1))))))))))",
		}
		return t.replace(data, yamlText, ": "+pick(t, texts)), "text"
	}
	return t.damage(data)
}
