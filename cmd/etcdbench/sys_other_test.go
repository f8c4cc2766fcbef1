//go:build !linux

package main

import (
	"os"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

var signals = map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}

func canMount() bool { return false }

func cmdMounted(ts *testscript.TestScript, neg bool, args []string) {
	ts.Fatalf("no mount on this platform")
}
