package workloadstest

import "testing"

// repeats is how many measurements [Repeat] makes at most.
const repeats = 4

// Repeat makes a measurement until one gives no error, at most four times. A machine that
// sometimes stops processes may disturb one of them. A defect makes all fail.
func Repeat(t testing.TB, measure func() error) {
	t.Helper()
	for n := 1; ; n++ {
		err := measure()
		switch {
		case err == nil:
			return
		case n == repeats || t.Context().Err() != nil:
			t.Errorf("in each of %d measurements, the last time: %v", n, err)
			return
		}
		t.Logf("measurement %d: %v", n, err)
	}
}
