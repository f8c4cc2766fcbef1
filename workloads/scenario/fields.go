package scenario

import (
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/etcdbench/etcdbench/results"
)

// checkFields checks that the type that a node will be decoded into has the fields of the node.
// The error suggests the most similar field.
func checkFields(n *yaml.Node, t reflect.Type) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[Scalar]() || t == reflect.TypeFor[Duration]():
		return nil
	case t.Kind() == reflect.Slice && n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			if err := checkFields(c, t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Map && n.Kind == yaml.MappingNode:
		for i := 1; i < len(n.Content); i += 2 {
			if err := checkFields(n.Content[i], t.Elem()); err != nil {
				return err
			}
		}
	case t.Kind() == reflect.Struct && n.Kind != yaml.MappingNode:
		return nodeError(n, "expected a mapping with fields such as %q", yamlFields(t)[0].name)
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && n.Kind == yaml.ScalarNode:
		// The library would silently truncate a fraction.
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && f != math.Trunc(f) {
			return nodeError(n, "%s is not a whole number", clip(n.Value))
		}
	case t.Kind() == reflect.Slice:
		return nodeError(n, "expected a list with a hyphen before each item")
	case t.Kind() == reflect.Struct:
		return checkStruct(n, t)
	}
	return nil
}

func checkStruct(n *yaml.Node, t reflect.Type) error {
	fields := yamlFields(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		var names []string
		known := false
		for _, f := range fields {
			names = append(names, f.name)
			if f.name == key.Value {
				known = true
				if err := checkFields(n.Content[i+1], f.typ); err != nil {
					return err
				}
			}
		}
		if !known {
			return nodeError(key, "unknown field %q%s", clip(key.Value), results.Nearest(key.Value, names))
		}
	}
	return nil
}

type yamlField struct {
	name string
	typ  reflect.Type
}

func yamlFields(t reflect.Type) []yamlField {
	var fields []yamlField
	for f := range reflectFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields = append(fields, yamlField{name, f.Type})
		}
	}
	return fields
}

func reflectFields(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}
