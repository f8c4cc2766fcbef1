package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// A kind is one kind of trials.
type kind struct {
	name string
	// weight is how often trials of the kind are made, relative to the others.
	weight int
	try    func(t *trial) error
}

// kinds lists the kinds of trials.
func kinds() []kind {
	return []kind{
		{"signals", 3, trySignals},
		{"replies", 4, tryReplies},
		{"bytes", 2, tryBytes},
		{"members", 2, tryMembers},
		{"disturbances", 2, tryDisturbances},
		{"endpoints", 1, tryEndpoints},
		{"documents", 4, tryDocuments},
		{"experiments", 2, tryExperiments},
		{"scenarios", 2, tryScenarios},
		{"disks", 1, tryDisks},
		{"full disks", 1, tryFullDisks},
		{"large loads", 1, tryLargeLoads},
		{"two runs", 1, tryTwoRuns},
	}
}

func kindNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// finding is one thing that happened and must not.
type finding struct {
	check check
	text  string
}

// trial is one trial: its random choices, its directory, and what it found.
type trial struct {
	*rig
	*rand.Rand
	ctx      context.Context
	kind     string
	dir      string
	what     string
	findings []finding
	peak     int64 // bytes of resident memory that one etcdbench had at most
	most     int64 // bytes of resident memory that one may have
}

// maxMemory bounds the resident memory of etcdbench in a trial of most kinds.
const maxMemory = 512 << 20

// patience is how long a command may take beyond what it announced.
const patience = 10 * time.Second

// try makes one trial.
func (b *rig) try(ctx context.Context, o options, n int) (*trial, error) {
	t := &trial{
		rig: b, ctx: ctx, Rand: rand.New(rand.NewPCG(o.seed, uint64(n))), most: maxMemory,
		dir: filepath.Join(b.dir, fmt.Sprint("trial-", n)),
	}
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return nil, err
	}
	k := t.choose(o.only)
	t.kind = k.name
	if err := k.try(t); err != nil {
		return nil, fmt.Errorf("trial %d (%s): %w", n, k.name, err)
	}
	if o.keep && len(t.findings) > 0 {
		return t, nil
	}
	return t, os.RemoveAll(t.dir)
}

func (t *trial) choose(only string) kind {
	var list []kind
	for _, k := range kinds() {
		if only == "" || k.name == only {
			list = append(list, slices.Repeat([]kind{k}, k.weight)...)
		}
	}
	return pick(t, list)
}

// temporary returns the directory for temporary files of the trial's commands.
func (t *trial) temporary() string { return filepath.Join(t.dir, "tmp") }

// pick returns one of the list.
func pick[T any](t *trial, list []T) T { return list[t.IntN(len(list))] }

func (t *trial) find(c check, format string, args ...any) {
	t.findings = append(t.findings, finding{c, fmt.Sprintf(format, args...)})
}

// command is one etcdbench that runs.
type command struct {
	*exec.Cmd
	out   bytes.Buffer
	ended chan error
	peak  atomic.Int64 // bytes
}

// start starts etcdbench in the trial's directory and in a process group of its own.
func (t *trial) start(args ...string) (*command, error) {
	c := &command{Cmd: exec.Command(t.binary, args...), ended: make(chan error, 1)}
	c.Dir, c.Stdout, c.Stderr = t.dir, &c.out, &c.out
	if err := os.MkdirAll(t.temporary(), 0o755); err != nil {
		return nil, err
	}
	c.Env = append(os.Environ(), "TMPDIR="+t.temporary())
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.WaitDelay = patience // a process that is left may hold the output open
	if err := c.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	go c.watchMemory(done)
	go func() {
		err := c.Wait()
		close(done)
		c.ended <- err
	}()
	return c, nil
}

var peakLine = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// watchMemory keeps the most resident memory that a command had, until done. What the
// system says of a process that has ended includes its parent's.
func (c *command) watchMemory(done <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.Process.Pid)) // it may have ended
		if m := peakLine.FindSubmatch(data); m != nil {
			kib, _ := strconv.ParseInt(string(m[1]), 10, 64) // digits
			c.peak.Store(kib << 10)
		}
	}
}

// finish waits for the end of a command, checks how it ended, and returns its exit code: -1
// after a signal.
func (t *trial) finish(c *command, limit time.Duration, allowed ...int) int {
	select {
	case <-c.ended:
	case <-time.After(limit):
		_ = c.Process.Signal(syscall.SIGQUIT) // for the stacks
		select {
		case <-c.ended:
		case <-time.After(patience):
			_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
			<-c.ended
		}
		if err := os.WriteFile(filepath.Join(t.dir, "output.txt"), c.out.Bytes(), 0o600); err != nil {
			t.find(hang, "its output: %v", err)
		}
		t.find(hang, "%s: not ended after %v: %s", strings.Join(c.Args[1:], " "), limit, lastLines(c.out.String()))
		return -1
	}
	peak := c.peak.Load()
	if t.peak = max(t.peak, peak); peak > t.most {
		t.find(memory, "%s: %d MiB", strings.Join(c.Args[1:], " "), peak>>20)
	}
	code := c.ProcessState.ExitCode()
	for line := range strings.Lines(c.out.String()) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "runtime: ") {
			t.find(crash, "%s: %s", strings.Join(c.Args[1:], " "), lastLines(c.out.String()))
			return code
		}
	}
	if !slices.Contains(allowed, code) {
		t.find(exitCode, "%s: exit code %d, want one of %v: %s", strings.Join(c.Args[1:], " "), code, allowed, lastLines(c.out.String()))
	}
	return code
}

// lastLines returns the end of an output, on one line.
func lastLines(out string) string {
	const most = 600
	out = strings.Join(strings.Fields(out), " ")
	return out[max(0, len(out)-most):]
}

// announced is the longest time that a run says it will take, without its population.
func (t *trial) announced(args []string) (time.Duration, error) {
	out, err := exec.CommandContext(t.ctx, t.binary, append(slices.Clone(args), "--dry-run", "--format", "json")...).Output()
	if err != nil {
		return 0, fmt.Errorf("--dry-run of %s: %w", strings.Join(args, " "), err)
	}
	var plan struct {
		Longest time.Duration `json:"longest_ns"`
	}
	err = json.Unmarshal(out, &plan)
	return plan.Longest, err
}

// orphans finds processes of the trial that are left some seconds after its end.
func (t *trial) orphans() {
	var left []string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if left = processes(t.dir + "/"); len(left) == 0 {
			return
		}
	}
	t.find(orphan, "%d processes are left: %s", len(left), left[0])
}

// processes returns the command lines of the processes that name a path, stopped ones
// included, each after its number.
func processes(path string) (lines []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		if data, err := os.ReadFile(f); err == nil && bytes.Contains(data, []byte(path)) {
			lines = append(lines, filepath.Base(filepath.Dir(f))+" "+strings.ReplaceAll(string(data), "\x00", " "))
		}
	}
	return lines
}

// signalTo sends a signal to a process, or with group to its process group as well, as GNU
// timeout does.
func signalTo(c *command, s syscall.Signal, group bool) error {
	err := c.Process.Signal(s)
	if group {
		err = errors.Join(err, syscall.Kill(-c.Process.Pid, s))
	}
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
