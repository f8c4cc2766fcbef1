package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcdbench/etcdbench/results"
)

// trials is the number of trials of TestPartitions, or of rounds of
// TestOneMachineAgainstAgents.
var trials = flag.Int("trials", 0, "trials of TestPartitions, of which eleven are one of each kind, or rounds of TestOneMachineAgainstAgents")

// hosts are those of a trial's network, each in a network namespace of its own.
var hosts = [...]string{"coordinator", "agent0", "agent1", "cluster"}

// fault is what is done to a host: in the middle of a run, but for a clock, which is wrong from the
// beginning.
type fault struct {
	what, host string
	// ahead is by how much the clock of the host is ahead at first; see [clockDrift].
	ahead time.Duration
}

// String names the fault in the log.
func (f fault) String() string {
	text := f.what + " " + f.host
	if f.ahead != 0 {
		text += fmt.Sprintf(" %v", f.ahead)
	}
	return text
}

// trialLoads are the workloads of trials: leases are revoked at the end.
var trialLoads = [...]string{"put", "lease-grant", "watch"}

// faults are the kinds of trials. Those of the cluster take longest.
var faults = [...]fault{
	{what: "cut", host: "agent0"}, {what: "kill", host: "coordinator"}, {what: "kill", host: "agent0"},
	{what: "cut", host: "coordinator"}, {what: "cut", host: "cluster"}, {what: "kill", host: "cluster"},
	{"clock", "agent0", time.Millisecond}, {"clock", "agent1", -50 * time.Millisecond}, {"clock", "agent0", 5 * time.Second},
	{what: joinTwice, host: "agent1"}, {what: joinLate, host: "agent1"},
}

const (
	// trialLoad is the length of a trial's measured phase.
	trialLoad = 6 * time.Second
	// endLimit is how long all may take to end after a fault, beside the time for which
	// processes of this machine waited for a CPU meanwhile.
	endLimit = 10 * time.Second
	// hangLimit is when processes are made to print what they do.
	hangLimit = 40 * time.Second
)

// network is a bridge with hosts.
type network struct {
	t    *testing.T
	name string
	dir  string
}

// ip runs a command of iproute2.
func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func (n *network) namespace(host string) string { return n.name + host }

// port is the end of a host's cable at the bridge.
func port(host string) string { return "p-" + host[:min(len(host), 8)] }

// address is that of a host.
func address(host string) string {
	for i, h := range hosts {
		if h == host {
			return fmt.Sprintf("10.77.0.%d", i+1)
		}
	}
	return ""
}

func newNetwork(t *testing.T, name string) *network {
	n := &network{t, name, t.TempDir()}
	bridge := n.namespace("switch")
	for _, host := range append([]string{"switch"}, hosts[:]...) {
		n.ip("netns", "add", n.namespace(host))
		t.Cleanup(func() { n.ip("netns", "del", n.namespace(host)) })
	}
	n.ip("-n", bridge, "link", "add", "br0", "type", "bridge")
	n.ip("-n", bridge, "link", "set", "br0", "up")
	for _, host := range hosts {
		ns := n.namespace(host)
		n.ip("-n", bridge, "link", "add", port(host), "type", "veth", "peer", "name", "eth0", "netns", ns)
		n.ip("-n", bridge, "link", "set", port(host), "master", "br0", "up")
		n.ip("-n", ns, "link", "set", "lo", "up")
		n.ip("-n", ns, "addr", "add", address(host)+"/24", "dev", "eth0")
		n.ip("-n", ns, "link", "set", "eth0", "up")
	}
	return n
}

// host is a process on a host.
type host struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
	at    time.Time
}

// start starts a process on a host. Its log has the name of the process.
func (n *network) start(on, name string, stdin io.Reader, command ...string) *host {
	n.t.Helper()
	h := &host{log: filepath.Join(n.dir, name+".log"), ended: make(chan struct{})}
	log, err := os.Create(h.log)
	if err != nil {
		n.t.Fatal(err)
	}
	h.cmd = exec.Command("ip", append([]string{"netns", "exec", n.namespace(on)}, command...)...)
	h.cmd.Stdin, h.cmd.Stdout, h.cmd.Stderr, h.cmd.Dir = stdin, log, log, n.dir
	h.cmd.ExtraFiles = []*os.File{log} // a member says there that it has started
	h.cmd.Env = append(os.Environ(), "TMPDIR="+n.dir)
	if err := h.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	go func() {
		_ = h.cmd.Wait()
		h.at = time.Now()
		_ = log.Close()
		close(h.ended)
	}()
	n.t.Cleanup(func() {
		_ = h.cmd.Process.Kill()
		<-h.ended
	})
	return h
}

// code is the exit code of a process that ends by a time. One that does not is made to
// print what it does.
func (h *host) code(t *testing.T, by time.Time) int {
	t.Helper()
	late := time.AfterFunc(time.Until(by), func() { _ = h.cmd.Process.Signal(syscall.SIGQUIT) })
	<-h.ended
	if !late.Stop() {
		t.Errorf("%s has not ended: %s", filepath.Base(h.log), h.text())
	}
	return h.cmd.ProcessState.ExitCode()
}

func (h *host) text() string {
	data, _ := os.ReadFile(h.log)
	return string(data)
}

// trial is one run with a fault.
type trial struct {
	*network
	fault
	load      string
	processes map[string]*host
	began, at time.Time
	token     string
	// waited is [waited] at the fault.
	waited time.Duration
}

// joinURL is the address of the coordinator.
func joinURL() string { return "https://" + address("coordinator") + ":2389" }

// agent returns the command of an agent.
func (tr *trial) agent(index int, host string) []string {
	if tr.what == "clock" && tr.host == host {
		return []string{"clockagent", joinURL(), tr.token, fmt.Sprint(index), tr.ahead.String()}
	}
	return []string{"etcdbench", "agent", "--join", joinURL(), "--join-file", tr.token, "--index", fmt.Sprint(index)}
}

// startTrial starts a cluster, a coordinator and two agents, and waits for the load.
func startTrial(t *testing.T, name, load string, f fault) *trial {
	n := newNetwork(t, name)
	tr := &trial{network: n, fault: f, load: load, processes: map[string]*host{}}
	lifeline, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hold.Close(); _ = lifeline.Close() })
	client, peer := "http://"+address("cluster")+":2379", "http://127.0.0.1:2380"
	tr.processes["cluster"] = n.start("cluster", "cluster", lifeline, "etcdbench", "member", "--", "--name=m", "--data-dir="+filepath.Join(n.dir, "m1"),
		"--listen-client-urls="+client, "--advertise-client-urls="+client, "--listen-peer-urls="+peer,
		"--initial-advertise-peer-urls="+peer, "--initial-cluster=m="+peer, "--unsafe-no-fsync", "--logger=zap", "--log-level=error")
	tr.token = filepath.Join(n.dir, "join.pem")
	tr.processes["coordinator"] = n.start("coordinator", "coordinator", nil, "etcdbench", "run", load, "--endpoints", client, "--agents", "2",
		"--coordinator-listen", address("coordinator")+":2389", "--join-file", tr.token, "--rate", "200", "--clients", "8", "--conns", "2",
		"--warmup", "0s", "--duration", trialLoad.String(), "--progress", "none", "--out", n.dir+"/run")
	for i, name := range []string{"agent0", "agent1"} {
		tr.processes[name] = n.start(name, name, nil, tr.agent(i, name)...)
	}
	for limit := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		data, _ := os.ReadFile(n.dir + "/run/" + results.JournalFile)
		if bytes.Count(data, []byte("\n")) >= 2 { // the header and a second
			break
		}
		if time.Now().After(limit) {
			t.Fatalf("no load: %s", tr.processes["coordinator"].text())
		}
	}
	tr.began = time.Now().Add(-time.Second)
	return tr
}

// waited returns for how long a process of this machine has waited for a CPU, from the
// pressure stall information of the kernel. Where the kernel has none, it returns the time
// since the machine started, as if one always waited.
func waited() time.Duration {
	data, _ := os.ReadFile("/proc/pressure/cpu")
	for field := range strings.FieldsSeq(string(data)) {
		if total, ok := strings.CutPrefix(field, "total="); ok {
			us, _ := strconv.ParseInt(total, 10, 64)
			return time.Duration(us) * time.Microsecond // of the first line, "some"
		}
	}
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	return time.Duration(now.Nano())
}

// strike makes the fault.
func (tr *trial) strike() {
	tr.at, tr.waited = time.Now(), waited()
	switch tr.what {
	case "kill":
		_ = tr.processes[tr.host].cmd.Process.Kill()
	case "cut":
		tr.ip("-n", tr.namespace("switch"), "link", "set", port(tr.host), "nomaster") // drops everything, without an answer
	case joinTwice:
		tr.processes["further"] = tr.start(tr.host, "further", nil, tr.agent(0, tr.host)...)
	case joinLate:
		tr.processes["further"] = tr.start(tr.host, "further", nil, "etcdbench", "agent", "--join", joinURL(), "--join-file", tr.token)
	}
}

// harmless reports whether the run completes all the same.
func (f fault) harmless() bool { return f.what != "cut" && f.what != "kill" }

// check sees that everything ends in time and as documented, and that no result looks
// valid. It returns a line for the table.
func (tr *trial) check() string {
	if tr.harmless() {
		return tr.checkWhole()
	}
	t, codes := tr.t, map[string]int{}
	for _, name := range []string{"agent0", "agent1", "coordinator"} {
		codes[name] = tr.processes[name].code(t, tr.at.Add(hangLimit))
	}
	limit := endLimit + waited() - tr.waited
	want := map[string]int{"coordinator": 1, "agent0": 1, "agent1": 1}
	if tr.what == "kill" && tr.host != "cluster" {
		want[tr.host] = -1
	}
	for name, code := range codes {
		if code != want[name] {
			t.Errorf("%s ended with %d, want %d: %s", name, code, want[name], tr.processes[name].text())
		}
	}
	run, err := results.Read(filepath.Join(tr.dir, "run"))
	if err != nil {
		t.Fatal(err)
	}
	tr.judge(run)
	tr.nothingLeft()
	since := func(names ...string) (last float64) {
		for _, name := range names {
			last = max(last, tr.processes[name].at.Sub(tr.at).Seconds())
		}
		return last
	}
	text := fmt.Sprintf("%s: %v after %.1f s: agents ended %.1f s later, coordinator %.1f s; %s, %s", tr.load, tr.fault,
		tr.at.Sub(tr.began).Seconds(), since("agent0", "agent1"), since("coordinator"), run.Outcome, run.Validity.Verdict)
	if since("agent0", "agent1", "coordinator") > limit.Seconds() {
		t.Errorf("not all have ended within %.1f s: %s", limit.Seconds(), text)
	}
	return text
}

// judge sees that the result does not look like one of a run without a fault.
func (tr *trial) judge(run *results.Run) {
	var offered, acknowledged uint64
	for _, o := range run.Operations {
		offered += o.Offered
		acknowledged += o.Acknowledged()
	}
	switch {
	case tr.host == "cluster" && acknowledged >= offered:
		tr.t.Errorf("%d of %d operations were acknowledged", acknowledged, offered)
	case run.Outcome == results.Completed || run.Validity.Verdict == results.Valid:
		tr.t.Errorf("the run is %s and %s", run.Outcome, run.Validity.Verdict)
	case tr.host == "agent0" && !strings.Contains(tr.processes["coordinator"].text(), "agent 0 on"):
		tr.t.Errorf("the agent is not named: %s", tr.processes["coordinator"].text())
	}
}

// nothingLeft sees that no process is left on the hosts of the run.
func (tr *trial) nothingLeft() {
	for _, name := range hosts[:3] {
		out, err := exec.Command("ip", "netns", "pids", tr.namespace(name)).Output()
		if err != nil || len(bytes.TrimSpace(out)) > 0 {
			tr.t.Errorf("%s: processes %q are left, %v", name, out, err)
		}
	}
}

// Runs over four hosts, one of which is cut off or killed at a random moment, has another clock, or
// gets a further agent. Whatever it is, everything ends in time, nothing is left, and no result of
// a run without all of its load looks valid.
func TestPartitions(t *testing.T) {
	if *trials == 0 {
		t.Skip("takes up to 20 s for each trial: -trials 11 makes one of each kind")
	}
	if _, err := exec.LookPath("ip"); err != nil || os.Getuid() != 0 {
		t.Skip("needs root and iproute2")
	}
	for i := range *trials {
		f, load := faults[i%len(faults)], trialLoads[i/len(faults)%len(trialLoads)]
		t.Run(fmt.Sprintf("%d-%s-%v", i, load, f), func(t *testing.T) {
			t.Parallel()
			tr := startTrial(t, fmt.Sprintf("eb%d-%d-", os.Getpid(), i), load, f)
			if rest := 2 * time.Second; f.harmless() {
				time.Sleep(rand.N(trialLoad - 2*rest)) // a further agent joins before the load ends
			} else {
				time.Sleep(rand.N(trialLoad - rest))
			}
			tr.strike()
			t.Log(tr.check())
		})
	}
}
