package machine

import "time"

// Process is what a process has used up since it began, and its memory now.
type Process struct {
	CPU      time.Duration
	Resident uint64 // bytes
	// Written is how many bytes it has caused to be written to disks.
	Written uint64
}
