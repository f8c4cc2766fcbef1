package main

import (
	"context"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

func TestScaleExit(t *testing.T) {
	tests := []struct {
		name  string
		rungs []results.ScaleRung
		want  int
	}{
		{"no rung", nil, 0},
		{"degraded", []results.ScaleRung{{Number: 1, Validity: results.Degraded}}, 0},
		{"one invalid rung", []results.ScaleRung{{Number: 1, Validity: results.Valid}, {Number: 2, Validity: results.Invalid}}, exitInvalid},
		{"a proof is violated after an invalid rung",
			[]results.ScaleRung{{Number: 1, Validity: results.Invalid}, {Number: 2, Validity: results.Valid, Violations: 1}}, exitFail},
	}
	for _, tt := range tests {
		if got := exitCode(context.Background(), scaleVerdict(&results.Scale{Rungs: tt.rungs})); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}
