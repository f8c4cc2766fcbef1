package cluster

import "syscall"

// ownGroup puts a member into its own process group, so that Ctrl-C in a terminal does not
// reach it: the run is drained against a working cluster.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
