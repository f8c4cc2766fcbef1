package scenario

import (
	"strings"
	"testing"
)

func TestExpressions(t *testing.T) {
	params := map[string]float64{"nodes": 100, "podsPerNode": 30}
	for text, want := range map[string]string{
		"plain":                             "plain",
		"${nodes}":                          "100",
		"${nodes/300}":                      "0.3333333333333333",
		"${2*nodes*podsPerNode}":            "6000",
		"a${nodes}-${nodes*2}b":             "a100-200b",
		"${(nodes+1)*2 - -3}":               "205",
		"${min(nodes, 7)+max(1,2)}":         "9",
		"${ceil(0.1)+floor(1.9)+round(.5)}": "3",
		"${1e6*1e6}":                        "1000000000000",
	} {
		if got, err := interpolate(text, params); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"${", "${}", "${node}", "${1/0}", "${nodes%2}", `${"a"}`, "${f(1)}", "${min(1)}", "${a.b}", "${1e308*10}", "${" + strings.Repeat("(", 300) + "}"} {
		if got, err := interpolate(text, params); err == nil {
			t.Errorf("%s = %q, want an error", text, got)
		}
	}
}
