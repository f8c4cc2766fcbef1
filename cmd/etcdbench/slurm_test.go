package main

import (
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// slurmPrograms are those of a Slurm cluster: of Debian, the packages slurmctld, slurmd,
// slurm-client and munge.
var slurmPrograms = [...]string{"munged", "slurmctld", "slurmd", "srun", "sinfo"}

// hasSlurm reports whether a Slurm cluster can be started: its daemons want root.
func hasSlurm() bool {
	for _, name := range slurmPrograms {
		if _, err := exec.LookPath(name); err != nil {
			return false
		}
	}
	return os.Getuid() == 0
}

// slurmConfig is that of nodes on loopback: %[1]s is the host, %[2]s the directory, %[3]d
// the controller's port.
const slurmConfig = `ClusterName=test
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[3]d
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=%[2]s/munge.sock
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
StateSaveLocation=%[2]s/state
SlurmdSpoolDir=%[2]s/spool-%%n
SlurmctldPidFile=%[2]s/slurmctld.pid
SlurmdPidFile=%[2]s/slurmd-%%n.pid
SlurmctldLogFile=%[2]s/slurmctld.log
SlurmdLogFile=%[2]s/slurmd-%%n.log
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`

// slurm NODES starts a Slurm cluster of so many nodes on loopback, and sets SLURM_CONF,
// and PORT to a free port.
func cmdSlurm(ts *testscript.TestScript, neg bool, args []string) {
	var nodes int
	_, err := fmt.Sscan(args[0], &nodes)
	ts.Check(err)
	dir, err := os.MkdirTemp("", "slurm-") // a socket's path is short
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	ts.Check(os.Chmod(dir, 0o755))
	host, err := os.Hostname()
	ts.Check(err)
	host, _, _ = strings.Cut(host, ".")
	config := fmt.Sprintf(slurmConfig, host, dir, freePort(ts))
	for i := range nodes {
		config += fmt.Sprintf("NodeName=n%d NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=1 RealMemory=100\n", i, host, freePort(ts))
	}
	file, key := filepath.Join(dir, "slurm.conf"), make([]byte, 1024)
	_, _ = rand.Read(key)
	ts.Check(os.Mkdir(filepath.Join(dir, "state"), 0o755))
	ts.Check(os.WriteFile(file, []byte(config), 0o644))
	ts.Check(os.WriteFile(filepath.Join(dir, "munge.key"), key, 0o600))
	ts.Setenv("SLURM_CONF", file)
	ts.Setenv("PORT", fmt.Sprint(freePort(ts)))
	path := func(name string) string { return filepath.Join(dir, name) }
	startDaemon(ts, "munged", "--foreground", "--force", "-S", path("munge.sock"), "--key-file="+path("munge.key"),
		"--pid-file="+path("munge.pid"), "--log-file="+path("munge.log"), "--seed-file="+path("munge.seed"))
	waitFor(ts, "munge", func() bool { _, err := os.Stat(path("munge.sock")); return err == nil })
	startDaemon(ts, "slurmctld", "-D", "-f", file)
	for i := range nodes {
		startDaemon(ts, "slurmd", "-D", "-N", fmt.Sprintf("n%d", i), "-f", file)
	}
	waitFor(ts, "Slurm's nodes", func() bool {
		info := exec.Command("sinfo", "-h", "-t", "idle", "-o", "%D")
		info.Env = append(os.Environ(), "SLURM_CONF="+file)
		out, err := info.Output()
		return err == nil && strings.TrimSpace(string(out)) == args[0]
	})
}

// startDaemon starts a program that ends with the script.
func startDaemon(ts *testscript.TestScript, name string, args ...string) {
	cmd := exec.Command(name, args...)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func waitFor(ts *testscript.TestScript, what string, done func() bool) {
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not come up", what)
		}
	}
}

// freePort is a loopback port that nobody listens on.
func freePort(ts *testscript.TestScript) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
