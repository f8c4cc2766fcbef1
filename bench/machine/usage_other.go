//go:build !unix

package machine

import "time"

// ProcessCPU returns 0: the system does not say.
func ProcessCPU() time.Duration { return 0 }

func (u *Usage) readProcess() {}
