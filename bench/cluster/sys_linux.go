package cluster

import "syscall"

// ownGroup keeps the terminal's Ctrl-C away from members: the run is drained
// against a cluster that still works.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
