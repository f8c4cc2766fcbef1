//go:build unix

package agent

import "syscall"

// ownGroup keeps Ctrl-C in a terminal away from agents: the coordinator ends them.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
