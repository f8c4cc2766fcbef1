//go:build !linux

package bench

// newSleeper returns the most exact sleeper that this machine has.
func newSleeper() sleeper { return newTimerSleeper() }
