package words

import (
	"math"
	"testing"
)

func TestDurations(t *testing.T) {
	for ns, want := range map[int64]string{
		0: "0.00 µs", 512: "0.51 µs", 9_994: "9.99 µs", 9_996: "10.0 µs", 999_499: "999 µs", 1_000_000: "1.00 ms", 12_345_678: "12.3 ms", 999_499_999: "999 ms", 1_500_000_000: "1.50 s", 600_000_000_000: "600 s",
	} {
		if got := Duration(ns); got != want {
			t.Errorf("%d ns is %q, want %q", ns, got, want)
		}
	}
}

// Figures that no measurement gives are printed, too: a damaged document has them.
func TestFiguresThatWereNotMeasured(t *testing.T) {
	for got, want := range map[string]string{
		Duration(math.MinInt64): "−9223372037 s", Rate(math.NaN()): "?", Rate(math.MaxFloat64): "1.8e+308", Rate(-math.MaxFloat64): "-1.8e+308",
		Rate(1234.6): "1,235", Rate(1.25): "1.25",
		Rate(1.999): "2", Rate(9.999): "10", Rate(0.0051): "0.01", Rate(-0.0051): "-0.01", Rate(0): "0",
		Bytes(math.NaN()): "?", Bytes(-2048): "−2.0 KiB", Bytes(math.Inf(1)): "8.0 EiB", Bytes(1023): "1023 B",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	huge := 1e300
	if got := SignedPercent(&huge, ""); got != "+1e+302 %" {
		t.Errorf("%q", got)
	}
}
