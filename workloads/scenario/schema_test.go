package scenario_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/invopop/jsonschema"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/etcdbench/etcdbench/workloads/scenario"
)

var update = flag.Bool("update", false, "write the schema anew")

// schemaFile is what editors check scenarios with.
var schemaFile = filepath.Join("..", "..", "docs", "scenario.schema.json")

// schema is made from the types; any plain value may also be an expression.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{FieldNameTag: "yaml", ExpandedStruct: true, RequiredFromJSONSchemaTags: true}
	expression := &jsonschema.Schema{Type: "string", Pattern: `\$\{`}
	plain := map[reflect.Kind]string{reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer", reflect.Float64: "number", reflect.Bool: "boolean"}
	r.Mapper = func(typ reflect.Type) *jsonschema.Schema {
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		switch {
		case typ == reflect.TypeFor[scenario.Duration]():
			return &jsonschema.Schema{Type: "string", Pattern: `^[0-9].*(ns|us|µs|ms|s|m|h)$|\$\{`, Description: "A time with its unit, such as 90s."}
		case typ == reflect.TypeFor[scenario.Scalar]():
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}, {Type: "array"}}}
		case plain[typ.Kind()] != "":
			return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: plain[typ.Kind()]}, expression}}
		}
		return nil
	}
	s := r.Reflect(&scenario.Scenario{})
	s.ID, s.Title = "", "etcdbench scenario"
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

func TestSchemaIsOfTheTypes(t *testing.T) {
	got := schema(t)
	if *update {
		if err := os.WriteFile(schemaFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(schemaFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not that of the types: write it with go test ./workloads/scenario -run Schema -update (%v)", schemaFile, err)
	}
}

// Every scenario that comes with the program satisfies the schema, can be read,
// and says the same when it is written out and read again.
func TestBuiltInScenarios(t *testing.T) {
	doc, err := validator.UnmarshalJSON(bytes.NewReader(schema(t)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := validator.NewCompiler()
	if err := compiler.AddResource("scenario.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled := compiler.MustCompile("scenario.json")
	names := scenario.BuiltIn()
	if len(names) < 16 {
		t.Errorf("only %d scenarios: %v", len(names), names)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			text, err := scenario.Text(name)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := yaml.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			if err := compiled.Validate(value); err != nil {
				t.Errorf("schema: %v", err)
			}
			s, err := scenario.Find(name, nil)
			if err != nil {
				t.Fatal(err)
			}
			if s.Summary == "" || s.CheckThresholds() != nil {
				t.Errorf("summary %q, thresholds %v", s.Summary, s.CheckThresholds())
			}
			written, err := s.Text()
			if err != nil {
				t.Fatal(err)
			}
			again, err := scenario.Parse(name+".yaml", written, nil)
			if err != nil {
				t.Fatalf("%v in\n%s", err, written)
			}
			rewritten, err := again.Text()
			if err != nil || !bytes.Equal(rewritten, written) {
				t.Errorf("written again, it is\n%s\nnot\n%s", rewritten, written)
			}
		})
	}
}
