package scenario

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/etcdbench/etcdbench/results"
)

// The limits of a scenario file. The built-in files use about a hundredth of them.
const (
	maxScenario = 1 << 20
	maxDepth    = 32
)

// Parse reads a scenario. params are the values given for its
// parameters. Errors name file and line.
func Parse(file string, data []byte, params map[string]float64) (*Scenario, error) {
	s := &Scenario{file: file}
	if len(data) > maxScenario {
		return nil, s.at(0, fmt.Errorf("larger than %d KiB, the limit for a scenario", maxScenario>>10))
	}
	root, err := parseYAML(data)
	if err != nil {
		return nil, s.yamlError(err)
	}
	if err := checkNode(root, 0); err != nil {
		return nil, s.yamlError(err)
	}
	declared := struct {
		Parameters map[string]Parameter `yaml:"parameters"`
	}{}
	if p := child(root, "parameters"); p != nil {
		if err := checkFields(p, reflect.TypeFor[map[string]Parameter]()); err != nil {
			return nil, s.yamlError(err)
		}
		if err := p.Decode(&declared.Parameters); err != nil {
			return nil, s.yamlError(err)
		}
	}
	if s.Given, err = giveParameters(declared.Parameters, params); err != nil {
		return nil, s.at(0, err)
	}
	if err := interpolateNode(root, s.Given); err != nil {
		return nil, s.yamlError(err)
	}
	if err := checkFields(root, reflect.TypeFor[Scenario]()); err != nil {
		return nil, s.yamlError(err)
	}
	if err := root.Decode(s); err != nil {
		return nil, s.yamlError(err)
	}
	if s.Name == "" {
		s.Name = nameOf(file)
	}
	if !printable(s.Name) {
		return nil, s.at(0, fmt.Errorf("%q is not a name for a scenario: use letters, digits and hyphens", results.Clip(s.Name)))
	}
	if err := s.validate(); err != nil {
		return nil, err
	}
	return s, nil
}

// parseYAML returns the root mapping of a file's only document.
func parseYAML(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil, errors.New("the file is empty")
	case err != nil:
		return nil, err
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one YAML document")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("line 1: a scenario is a mapping: see docs/scenarios.md")
	}
	return doc.Content[0], nil
}

// nodeError returns an error with the line of a node.
func nodeError(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("line %d: %s", n.Line, fmt.Sprintf(format, args...))
}

// checkNode rejects YAML features that no scenario needs and that a YAML bomb uses.
func checkNode(n *yaml.Node, depth int) error {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return nodeError(n, "anchors and aliases are not supported")
	case depth > maxDepth:
		return nodeError(n, "nested too deeply")
	}
	seen := map[string]int{}
	for i, c := range n.Content {
		if err := checkNode(c, depth+1); err != nil {
			return err
		}
		if n.Kind != yaml.MappingNode || i%2 == 1 {
			continue
		}
		if c.Kind != yaml.ScalarNode {
			return nodeError(c, "a field's name must be plain text")
		}
		if line := seen[c.Value]; line > 0 {
			return nodeError(c, "%q is a duplicate of line %d", clip(c.Value), line)
		}
		seen[c.Value] = c.Line
	}
	return nil
}

// child returns the value of a mapping's field.
func child(n *yaml.Node, field string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i+1]
		}
	}
	return nil
}

// giveParameters returns the given values, and the defaults of the other declared parameters.
func giveParameters(declared map[string]Parameter, given map[string]float64) (map[string]float64, error) {
	values := map[string]float64{}
	for _, name := range slices.Sorted(maps.Keys(declared)) {
		p := declared[name]
		if !parameterName.MatchString(name) {
			return nil, fmt.Errorf("parameter %q: a name consists of letters and digits and begins with a letter", clip(name))
		}
		v, ok := given[name]
		switch {
		case !ok && p.Default == nil:
			return nil, fmt.Errorf("parameter %s has no default: give it with --param %s=…", name, name)
		case !ok:
			v = *p.Default
		}
		if p.Min != nil && v < *p.Min || p.Max != nil && v > *p.Max {
			return nil, fmt.Errorf("parameter %s must be %s, not %s", name, p.bounds(), formatNumber(v))
		}
		values[name] = v
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := declared[name]; !ok {
			return nil, fmt.Errorf("there is no parameter %q%s", clip(name), results.Nearest(name, slices.Sorted(maps.Keys(declared))))
		}
	}
	return values, nil
}

var parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,63}$`)

func (p Parameter) bounds() string {
	switch {
	case p.Min == nil:
		return "at most " + formatNumber(*p.Max)
	case p.Max == nil:
		return "at least " + formatNumber(*p.Min)
	}
	return "between " + formatNumber(*p.Min) + " and " + formatNumber(*p.Max)
}

// interpolateNode replaces the expressions in every value.
func interpolateNode(n *yaml.Node, params map[string]float64) error {
	if n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "${") {
		text, err := interpolate(n.Value, params)
		if err != nil {
			return nodeError(n, "%v", err)
		}
		// Without tag and style, the value is parsed again, possibly as a number.
		n.Value, n.Tag, n.Style = text, "", 0
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 {
			continue
		}
		if err := interpolateNode(c, params); err != nil {
			return err
		}
	}
	return nil
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// yamlError turns an error of the YAML library, or of ours, into file:line: what
// is wrong, in one line.
func (s *Scenario) yamlError(err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	text, _, _ = strings.Cut(text, "\n")
	line := 0
	if m := yamlLine.FindStringSubmatchIndex(text); m != nil {
		_, _ = fmt.Sscan(text[m[2]:m[3]], &line)
		text = text[:m[0]] + text[m[1]:]
	}
	text = strings.NewReplacer("!!str ", "", "!!float ", "", "!!int ", "", "!!seq", "a list", "!!map", "a mapping", "cannot unmarshal",
		"cannot read").Replace(text)
	return s.at(line, errors.New(text))
}

// Text returns the scenario as YAML, with all expressions resolved.
func (s *Scenario) Text() ([]byte, error) {
	plain := *s
	plain.Parameters = nil
	return yaml.Marshal(&plain)
}
