package results_test

import (
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

func TestThreeDigits(t *testing.T) {
	for in, want := range map[string]string{
		"0s": "0s", "7ns": "7ns", "999ns": "999ns", "1234ns": "1.23µs", "2.22088s": "2.22s", "999.6ms": "1s", "-12.345ms": "-12.3ms",
		"61.26s": "1m1.3s", "100ms": "100ms", "1h0m0s": "1h0m0s",
	} {
		d, err := time.ParseDuration(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := results.ThreeDigits(d).String(); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestAmount(t *testing.T) {
	for in, want := range map[float64]string{0: "0", 0.01234567: "0.01235", 7.5: "7.5", 999.94: "999.9", 4000: "4,000", 12345.6: "12,346", 1e20: "1e+20"} {
		if got := results.Amount(in); got != want {
			t.Errorf("%v: %s, want %s", in, got, want)
		}
	}
}
