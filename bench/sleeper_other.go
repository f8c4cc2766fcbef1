//go:build !linux

package bench

// newSleeper returns the most precise sleeper of this machine.
func newSleeper() sleeper { return newTimerSleeper() }
