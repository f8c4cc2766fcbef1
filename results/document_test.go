package results

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// saveRun makes a run's directory.
func saveRun(t *testing.T, path string, run *Run) {
	t.Helper()
	d, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteStart(run); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteRun(run); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, text string, path ...string) string {
	t.Helper()
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// snapshot is every file below a directory with its size, content and time of change.
func snapshot(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&b, path, info.Size(), info.Mode(), info.ModTime())
		if entry.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%q\n", data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A path is told by what it holds: a directory by its files, a file by its schema. A
// run that judged itself stays a run, and reading changes nothing.
func TestReadDocument(t *testing.T) {
	dir := t.TempDir()
	verdict, capacity, tuning := `{"schema":"etcdbench.verdict/v1","verdict":"pass"}`, `{"schema":"etcdbench.capacity/v1","low":3}`, `{"schema":"etcdbench.tuning/v1","rate":5}`
	saveRun(t, filepath.Join(dir, "judged"), &Run{Schema: Schema, ID: "own", Outcome: Completed})
	writeFile(t, verdict, dir, "judged", VerdictFile)
	saveRun(t, filepath.Join(dir, "killed"), &Run{Schema: Schema, ID: "own", Outcome: Completed})
	if err := os.Remove(filepath.Join(dir, "killed", RunFile)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{VerdictFile: verdict, CapacityFile: capacity, TuningFile: tuning} {
		writeFile(t, text, dir, name+".d", name)
		writeFile(t, "{}", dir, name+".d", ExperimentFile)
		saveRun(t, filepath.Join(dir, name+".d", "probe-001"), &Run{Schema: Schema})
	}
	writeFile(t, tuning, dir, "renamed.json")
	writeFile(t, `{}`, dir, "begun", ExperimentFile)
	writeFile(t, verdict, dir, "both", VerdictFile)
	writeFile(t, capacity, dir, "both", CapacityFile)
	before := snapshot(t, dir)
	for path, want := range map[string]string{
		"judged": "run own", "killed": "run own", "judged/run.json": "run own", "judged/intervals.jsonl": "run own", "judged/verdict.json": "verdict pass",
		"verdict.json.d": "verdict pass", "verdict.json.d/verdict.json": "verdict pass", "capacity.json.d": "capacity 3", "capacity.json.d/capacity.json": "capacity 3",
		"tuning.json.d": "tuning 5", "renamed.json": "tuning 5", "both/capacity.json": "capacity 3",
		"begun": "is an experiment without a result yet: continue it with --resume", "both": "contains several results: give the file, such as",
		"nowhere": "no such file", ".": "contains none of run.json, capacity.json, tuning.json, verdict.json, published.json, scale.json and intervals.jsonl",
	} {
		s, err := ReadDocument(filepath.Join(dir, path))
		got := string(s.Kind) + " "
		switch {
		case err != nil:
			if got = err.Error(); strings.Contains(got, want) {
				got = want
			}
		case s.Path != filepath.Join(dir, path):
			t.Errorf("%s has the path %s", path, s.Path)
		case s.Run != nil:
			got += s.Run.ID
		case s.Verdict != nil:
			got += s.Verdict.Verdict
		case s.Capacity != nil:
			got += fmt.Sprint(s.Capacity.Low)
		case s.Tuning != nil:
			got += fmt.Sprint(s.Tuning.Rate)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if after := snapshot(t, dir); after != before {
		t.Error("reading has changed the directory")
	}
}

// What is not a document of the kind is refused in one short line that names what is
// wrong.
func TestDecodersRefuse(t *testing.T) {
	decoders := map[Kind]func([]byte) error{
		KindVerdict: func(data []byte) error { _, err := DecodeVerdict(data); return err }, KindCapacity: func(data []byte) error { _, err := DecodeCapacity(data); return err },
		KindTuning: func(data []byte) error { _, err := DecodeTuning(data); return err },
	}
	long := strings.Repeat("9", 1<<20)
	list := func(name string, n int) string { return `"` + name + `":[{}` + strings.Repeat(`,{}`, n-1) + `]` }
	for kind, decode := range decoders {
		schema := `"schema":"` + kind.schema() + `"`
		if err := decode([]byte(`{` + schema + `}`)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for text, want := range map[string]string{
			``: "truncated", `{` + schema: "truncated", `[]`: "not a result document", `{}`: "it has no schema",
			`{"schema":"etcdbench.run/v1"}`: "not a " + string(kind) + " document", `{"schema":"etcdbench.` + string(kind) + `/v9"}`: "this etcdbench does not read schema",
			`{"schema":"` + long + `"}`: "not a ", `{"schema":7}`: `field "schema" cannot hold number`, `{` + schema + `,"started":"` + long + `"}`: "not a result document: parsing time",
			`{` + schema + `,"started":"a\u001b[2J` + "\u009b" + `b"}`: "not a result document", `{` + schema + `,"workload":{"` + long + `":1}}`: `field "workload" cannot hold object`,
			`{` + schema + `,` + list("x", maxValues+2) + `}`: "values exceed the limit",
		} {
			if err := decode([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n\x1b\u009b") || len(err.Error()) > 400 {
				t.Errorf("%s of %.60q: %.500v, want %q", kind, text, err, want)
			}
		}
	}
	faults := []string{}
	for n := range maxShortList + 1 {
		faults = append(faults, fmt.Sprintf(`{"fault":"f%d"}`, n))
	}
	for text, kind := range map[string]Kind{
		list("metrics", maxList+1): KindVerdict, list("changes", maxList+1): KindVerdict, list("probes", maxList+1): KindCapacity,
		`"usl":{` + list("points", maxList+1) + `}`: KindCapacity, `"low":1e309`: KindCapacity, `"rate":` + long: KindTuning,
		list("tried", maxTried+1): KindTuning, `"tried":[{"faults":[` + strings.Join(faults, ",") + `]}]`: KindTuning, `"compared":{` + list("metrics", maxList+1) + `}`: KindTuning,
	} {
		err := decoders[kind]([]byte(`{"schema":"` + kind.schema() + `",` + text + `}`))
		if err == nil || len(err.Error()) > 200 || !strings.Contains(err.Error(), "exceed the limit") && !strings.Contains(err.Error(), "cannot hold number") {
			t.Errorf("%s of %.40s: %v", kind, text, err)
		}
	}
	huge := writeFile(t, strings.Repeat(" ", maxDocument+1), t.TempDir(), CapacityFile)
	if _, err := ReadDocument(huge); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("a huge file: %v", err)
	}
}

// A document is read back as it was written.
func TestDecodersReadBack(t *testing.T) {
	started := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for kind, document := range map[Kind]any{
		KindVerdict:  &Verdict{Schema: VerdictSchema, Started: started, Metrics: []MetricVerdict{{Name: "p99", Estimate: 0.5}}},
		KindCapacity: &Capacity{Schema: CapacitySchema, Started: started, Probes: []CapacityProbe{{Number: 1, Rate: 5}}, Plan: &CapacityPlan{Demand: 3}},
		KindTuning:   &Tuning{Schema: TuningSchema, Started: started, Tried: []Tried{{Name: "a", Faults: []FaultTimes{NewFaultTimes(FaultKillLeader, nil)}}}},
	} {
		data, err := Encode(document)
		if err != nil {
			t.Fatal(err)
		}
		var s Saved
		if err := s.decode(data); err != nil || s.Kind != kind {
			t.Errorf("%s: read as %q, %v", kind, s.Kind, err)
			continue
		}
		back, err := json.Marshal(map[Kind]any{KindVerdict: s.Verdict, KindCapacity: s.Capacity, KindTuning: s.Tuning}[kind])
		want, _ := json.Marshal(document)
		if err != nil || string(back) != string(want) {
			t.Errorf("%s: read back %s, want %s, %v", kind, back, want, err)
		}
	}
}

// A clipped text stays valid UTF-8.
func TestClipSplitsNoCharacter(t *testing.T) {
	for n := range 5 {
		if s := Clip(strings.Repeat("a", n) + strings.Repeat("日", 20)); !utf8.ValidString(s) || len(s) > 40+len("…") || !strings.HasSuffix(s, "日…") {
			t.Errorf("clipped to %q", s)
		}
	}
}
