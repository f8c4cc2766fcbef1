package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// hasSSH reports whether an SSH server can be started: it wants root.
func hasSSH() bool {
	for _, name := range [...]string{"sshd", "ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(name); err != nil {
			return false
		}
	}
	return os.Getuid() == 0
}

// ssh starts an SSH server on loopback, and makes ssh in the script's PATH use it.
func cmdSSH(ts *testscript.TestScript, neg bool, args []string) {
	dir, port := ts.MkAbs("ssh"), freePort(ts)
	ts.Check(os.MkdirAll("/run/sshd", 0o755)) // sshd wants it
	ts.Check(os.MkdirAll(filepath.Join(dir, "bin"), 0o700))
	path := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"host", "user"} {
		ts.Check(exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path(name)).Run())
	}
	client, err := exec.LookPath("ssh")
	ts.Check(err)
	server, err := exec.LookPath("sshd")
	ts.Check(err)
	for name, text := range map[string]string{
		"server": fmt.Sprintf("ListenAddress 127.0.0.1\nPort %d\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nPermitRootLogin yes\n"+
			"PidFile none\nSetEnv PATH=%s\n", port, path("host"), path("user.pub"), os.Getenv("PATH")),
		"client": fmt.Sprintf("Port %d\nIdentityFile %s\nIdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile %s\nLogLevel ERROR\n",
			port, path("user"), path("known")),
		"bin/ssh": fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", client, path("client")),
	} {
		ts.Check(os.WriteFile(path(name), []byte(text), 0o700))
	}
	startDaemon(ts, server, "-D", "-f", path("server"))
	ts.Setenv("PATH", path("bin")+":"+ts.Getenv("PATH"))
	waitFor(ts, "sshd", func() bool {
		time.Sleep(50 * time.Millisecond)
		return exec.Command(path("bin/ssh"), "-o", "BatchMode=yes", "127.0.0.1", "true").Run() == nil
	})
}
