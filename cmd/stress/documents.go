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

// tryDocuments damages a result and reports it in a random format.
func tryDocuments(t *trial) error {
	dir := filepath.Join(t.dir, "damaged")
	if err := os.CopyFS(dir, os.DirFS(t.result)); err != nil {
		return err
	}
	name := pick(t, []string{results.RunFile, results.JournalFile, results.JournalFile + " alone"})
	file := filepath.Join(dir, strings.TrimSuffix(name, " alone"))
	if strings.HasSuffix(name, " alone") {
		if err := os.Remove(filepath.Join(dir, results.RunFile)); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	how := ""
	for range 1 + t.IntN(3) {
		var one string
		if data, one = t.damage(data); one != "" {
			how += " " + one
		}
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		return err
	}
	args := []string{"report", dir, "--format", pick(t, report.All()).Name}
	switch t.IntN(6) {
	case 0:
		args = []string{"compare", t.result, dir}
	case 1:
		args = []string{"report", "--history", t.dir}
	case 2:
		args = append(args, t.result)
	}
	t.what = name + how + ": " + strings.Join(args, " ")
	c, err := t.start(args...)
	if err != nil {
		return err
	}
	t.finish(c, 2*patience, 0, 2)
	t.rawOutput(c)
	return nil
}

// rawOutput finds control characters of a document in the output.
func (t *trial) rawOutput(c *command) {
	if strings.ContainsAny(c.out.String(), "\x1b\a") {
		t.find(crash, "%s: a control character reaches the terminal", t.what)
	}
}

var number = regexp.MustCompile(`:-?\d[-+.eE\d]*|: -?\d[-+.eE\d]*`)

var text = regexp.MustCompile(`"[^"\\]*"`)

// damage changes a document in one way, and says how.
func (t *trial) damage(data []byte) (damaged []byte, how string) {
	if len(data) == 0 {
		return data, ""
	}
	switch t.IntN(6) {
	case 0:
		for range 1 + t.IntN(10) {
			data[t.IntN(len(data))] ^= 1 << t.IntN(8)
		}
		return data, "bits"
	case 1:
		return data[:t.IntN(len(data))], "cut"
	case 2:
		extremes := []string{
			"1.7e308", "-1.7e308", "1e30", "5e-324", "9223372036854775807", "-9223372036854775808", "18446744073709551615", "-1", "0",
		}
		return t.replace(data, number, ":"+pick(t, extremes)), "number"
	case 3:
		texts := []string{``, `\u001b[31m\u0007\u202e`, strings.Repeat("A", 1<<20), `</script><script>alert(1)</script>`}
		return t.replace(data, text, `"`+pick(t, texts)+`"`), "text"
	case 4:
		return t.replace(data, number, ":"+pick(t, []string{"null", "[]", "{}", "true", strings.Repeat("[", 5000)})), "type"
	}
	from := t.IntN(len(data))
	to := min(len(data), from+t.IntN(2000))
	part := string(data[from:to])
	return []byte(string(data[:to]) + strings.Repeat(part, 1+t.IntN(50)) + string(data[to:])), fmt.Sprintf("%d bytes repeated", to-from)
}

// replace replaces one match of a pattern.
func (t *trial) replace(data []byte, pattern *regexp.Regexp, by string) []byte {
	places := pattern.FindAllIndex(data, -1)
	if len(places) == 0 {
		return data
	}
	at := pick(t, places)
	return []byte(string(data[:at[0]]) + by + string(data[at[1]:]))
}
