//go:build !unix

package agent

import "syscall"

func ownGroup() *syscall.SysProcAttr { return nil }
