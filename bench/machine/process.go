package machine

import "time"

// Process holds the resources that a process has used since its start, and its present memory.
type Process struct {
	CPU      time.Duration
	Resident uint64 // bytes
	// Written is the number of bytes that it has caused to be written to disks.
	Written uint64
}
