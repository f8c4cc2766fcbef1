//go:build !linux

package workloads_test

import (
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// startCapture returns nil: captures are made on Linux only.
func startCapture(*testing.B, string) func() results.Latency { return nil }
