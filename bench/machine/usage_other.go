//go:build !unix

package machine

import "time"

// ProcessCPU returns 0: the CPU time is unknown on this platform.
func ProcessCPU() time.Duration { return 0 }

func (u *Usage) readProcess() {}
