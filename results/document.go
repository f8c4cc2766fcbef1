package results

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode"
)

// A Kind is the subject of a document.
type Kind string

// The kinds of document.
const (
	KindRun      Kind = "run"
	KindVerdict  Kind = "verdict"
	KindCapacity Kind = "capacity"
	KindTuning   Kind = "tuning"
	// KindPublished is a comparison with published figures.
	KindPublished Kind = "published"
	KindScale     Kind = "scale"
)

// kinds lists the kinds with their schemas and their files in an experiment's directory. Runs
// are first, because their directories may also contain a verdict.
var kinds = [...]struct {
	kind         Kind
	schema, file string
}{
	{KindRun, Schema, RunFile}, {KindCapacity, CapacitySchema, CapacityFile}, {KindTuning, TuningSchema, TuningFile},
	{KindVerdict, VerdictSchema, VerdictFile}, {KindPublished, PublishedSchema, PublishedFile},
	{KindScale, ScaleSchema, ScaleFile},
}

// schema returns the schema of a kind that this program reads.
func (k Kind) schema() string {
	for _, one := range kinds {
		if one.kind == k {
			return one.schema
		}
	}
	return ""
}

// Name returns the kind as a noun with its article, for sentences.
func (k Kind) Name() string {
	switch k {
	case KindVerdict:
		return "a gate's verdict"
	case KindCapacity:
		return "a capacity search"
	case KindPublished:
		return "a comparison with published figures"
	case KindScale:
		return "a scale experiment"
	}
	return "a " + string(k)
}

// Saved is a document that was read. Of Run, Verdict, Capacity, Tuning, Published and Scale,
// the one that Kind names is set.
type Saved struct {
	Kind Kind
	// Path is the given path of the document: a directory or a file.
	Path     string
	Run      *Run
	Verdict  *Verdict
	Capacity *Capacity
	Tuning   *Tuning
	// Published is a comparison with published figures.
	Published *Published
	Scale     *Scale
}

// ReadDocument reads the document of a path, of any kind. A directory contains a run (see
// [Read]) or the result of one experiment; a file is identified by its schema. A run's
// directory that also contains a verdict is read as a run. Errors are one line.
func ReadDocument(path string) (Saved, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Saved{}, fmt.Errorf("read result: %w", err)
	}
	file := path
	if info.IsDir() {
		if file, err = documentIn(path); err != nil {
			return Saved{}, fmt.Errorf("read result: %w", err)
		}
	}
	if strings.HasSuffix(file, ".jsonl") || filepath.Base(file) == RunFile {
		run, err := Read(file)
		return Saved{Kind: KindRun, Path: path, Run: run}, err
	}
	data, err := readBounded(file)
	if err != nil {
		return Saved{}, fmt.Errorf("read result %s: %w", file, err)
	}
	s := Saved{Path: path}
	if err := s.decode(data); err != nil {
		return Saved{}, fmt.Errorf("read result %s: %w", file, err)
	}
	return s, nil
}

// documentIn returns the path of the document in a directory.
func documentIn(dir string) (string, error) {
	if file := filepath.Join(dir, RunFile); exists(file) {
		return file, nil
	}
	if file := filepath.Join(dir, JournalFile); exists(file) {
		return file, nil
	}
	var found, names []string
	for _, k := range kinds {
		names = append(names, k.file)
		if file := filepath.Join(dir, k.file); exists(file) {
			found = append(found, file)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return "", fmt.Errorf("%s contains several results: give the file, such as %s", dir, found[0])
	case exists(filepath.Join(dir, ExperimentFile)):
		return "", fmt.Errorf("%s is an experiment without a result yet: continue it with --resume %s", dir, dir)
	}
	return "", fmt.Errorf("%s contains none of %s and %s", dir, strings.Join(names, ", "), JournalFile)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// decode reads data as the kind of document that its schema names.
func (s *Saved) decode(data []byte) error {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return jsonError(err)
	}
	for _, k := range kinds {
		if schemaName(head.Schema) == schemaName(k.schema) {
			s.Kind = k.kind
		}
	}
	var err error
	switch s.Kind {
	case KindRun:
		s.Run, err = Decode(data)
	case KindVerdict:
		s.Verdict, err = DecodeVerdict(data)
	case KindCapacity:
		s.Capacity, err = DecodeCapacity(data)
	case KindTuning:
		s.Tuning, err = DecodeTuning(data)
	case KindPublished:
		s.Published, err = DecodePublished(data)
	case KindScale:
		s.Scale, err = DecodeScale(data)
	default:
		return fmt.Errorf("not a result document: its schema is %q, want that of a run, verdict, capacity, tuning or scale", Clip(head.Schema))
	}
	return err
}

// schemaName returns a schema without its version.
func schemaName(schema string) string {
	name, _, _ := strings.Cut(schema, "/")
	return name
}

// decode reads a document of one kind, and returns an error for other input.
func decode(data []byte, kind Kind, document any) error {
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return jsonError(err)
	}
	if err := checkSchema(kind, head.Schema); err != nil {
		return err
	}
	if n := bytes.Count(data, []byte{','}); kind != KindRun && n > maxValues {
		return fmt.Errorf("%d values exceed the limit of %d", n, maxValues)
	}
	if err := checkSize(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, document); err != nil {
		return jsonError(err)
	}
	if kind == KindRun {
		return nil // see checkRun
	}
	return checkNumbers(reflect.ValueOf(document))
}

// checkSchema returns an error for a schema of the kind that this program does not read.
func checkSchema(kind Kind, schema string) error {
	want := kind.schema()
	switch {
	case schema == want, kind == KindRun && schema == schemaV1:
		return nil
	case schema == "":
		return fmt.Errorf("not a result document: it has no schema (want %q)", want)
	case schemaName(schema) == schemaName(want):
		return fmt.Errorf("this etcdbench does not read schema %q, only %q: use the version that wrote it, or a newer one",
			Clip(schema), want)
	}
	return fmt.Errorf("not a %s document: its schema is %q, want %q", kind, Clip(schema), want)
}

// jsonError describes an error in a document's JSON in one line. The parser's error may quote
// the document.
func jsonError(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax) && strings.Contains(err.Error(), "unexpected end"):
		return errors.New("truncated: the JSON ends in the middle")
	case errors.As(err, &kind):
		return fmt.Errorf("not a result document: field %q cannot hold %s", Clip(kind.Field), Clip(kind.Value))
	}
	const most = 160
	line := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, clip(err.Error(), most))
	return fmt.Errorf("not a result document: %s", line)
}

// The limits of the documents of gates and experiments, which bound the memory and the time that
// it takes to read and to print a document.
const (
	maxValues    = 1 << 18
	maxList      = 10_000
	maxTried     = 1_000
	maxShortList = 100
)

// length is the length of a list in a document.
type length struct {
	name    string
	n, most int
}

// checkLengths returns an error for lists that are longer than etcdbench writes them.
func checkLengths(lengths []length) error {
	for _, l := range lengths {
		if l.n > l.most {
			return fmt.Errorf("%s: %d entries exceed the limit of %d", l.name, l.n, l.most)
		}
	}
	return nil
}

// readBounded returns the content of a file, which may not be larger than a document.
func readBounded(file string) ([]byte, error) {
	f, err := OpenFile(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("larger than %d MiB, the limit for a result", maxDocument>>20)
	}
	return data, nil
}
