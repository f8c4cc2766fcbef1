package cluster

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench/disk"
	"github.com/etcdbench/etcdbench/results"
)

// Processes is a cluster of member processes.
type Processes struct {
	settings Settings
	binary   string
	tls      *tls.Config
	links    *links
	options  ProcessOptions

	mu      sync.Mutex // faults replace members
	members []*process
	// disks are the conditions of the members' disks, by member.
	disks map[int]disk.Conditions
}

var _ Cluster = (*Processes)(nil)

// process is one member's process, or the keeper of one.
type process struct {
	memberSpec
	pid      int
	lifeline io.WriteCloser
	exited   chan struct{}
	err      error // of Wait; read after exited is closed
	// expected means that this package ends the process.
	expected atomic.Bool
	pausing  sync.Mutex
	// helper exists while the process is paused.
	helper *helper
	// disk is nil if the calls of the process are not supervised.
	disk *disk.Control
}

// ProcessOptions set the program that the members run.
type ProcessOptions struct {
	Settings
	// Command is a program and its arguments that call [MemberMain]; empty means the hidden
	// command "member" of this program.
	Command []string
	// Binary is a foreign etcd that runs in place of the built-in one.
	Binary string
}

// startAttempts is above 1 because another process may take a free port before the member
// listens on it.
const startAttempts = 3

// StartProcesses starts a cluster and returns when it is ready.
func StartProcesses(ctx context.Context, o ProcessOptions) (*Processes, error) {
	if err := o.Validate(o.Binary == ""); err != nil {
		return nil, err
	}
	if len(o.Command) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find the path of this program: %w", err)
		}
		o.Command = []string{self, "member"}
	}
	var errs error
	for range startAttempts {
		c, err := startProcesses(ctx, o)
		if err == nil {
			return c, nil
		}
		errs = err
		if ctx.Err() != nil || o.BasePort > 0 || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return nil, fmt.Errorf("start cluster: %w", errs)
}

func startProcesses(ctx context.Context, o ProcessOptions) (_ *Processes, err error) {
	tlsInfo, tlsConfig, err := o.prepare()
	if err != nil {
		return nil, err
	}
	specs, links, err := o.layout(tlsInfo)
	if err != nil {
		return nil, err
	}
	c := &Processes{
		settings: o.Settings, binary: o.Binary, tls: tlsConfig, links: links, options: o, disks: map[int]disk.Conditions{},
	}
	defer func() {
		if err != nil {
			_ = c.Stop()
		}
	}()
	for _, spec := range specs {
		p, err := startProcess(o, spec)
		if err != nil {
			return nil, fmt.Errorf("member %s: %w", spec.name, err)
		}
		c.members = append(c.members, p)
	}
	ctx, cancel := context.WithTimeout(ctx, o.startTimeout())
	defer cancel()
	if err := waitReady(ctx, c, nil, c.Died); err != nil {
		return nil, c.withLogs(err)
	}
	return c, nil
}

func (s Settings) startTimeout() time.Duration {
	if s.StartTimeout > 0 {
		return s.StartTimeout
	}
	return time.Minute
}

func startProcess(o ProcessOptions, spec memberSpec) (*process, error) {
	log, err := os.OpenFile(spec.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("make log: %w", err)
	}
	defer log.Close()
	startRead, startWrite, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	defer startRead.Close()
	cmd := exec.Command(o.Command[0], o.arguments(spec)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{startWrite}
	cmd.SysProcAttr = ownGroup()
	cmd.Env = append(memberEnv(), o.Env...)
	p := &process{memberSpec: spec, exited: make(chan struct{})}
	if o.Disk.Any() {
		ours, theirs, err := socketPair()
		if err != nil {
			return nil, err
		}
		defer theirs.Close()
		p.disk = disk.NewControl(ours)
		cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
	}
	if p.lifeline, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	startWrite.Close()
	if err != nil {
		_ = p.disk.Close()
		return nil, fmt.Errorf("start: %w", err)
	}
	go func() {
		p.err = cmd.Wait()
		_ = p.disk.Close()
		close(p.exited)
	}()
	p.pid = cmd.Process.Pid
	var line startLine
	if json.NewDecoder(startRead).Decode(&line) == nil { // the pipe ends when the member ends
		p.pid = line.PID
	}
	return p, nil
}

// arguments returns the arguments of a member process, see [MemberMain].
func (o ProcessOptions) arguments(spec memberSpec) []string {
	own := slices.Clone(o.Command[1:])
	argv := slices.Clone(own)
	for _, dir := range []string{spec.dataDir, filepath.Join(o.DataDir, "tls"), snapshotDir(o.DataDir)} {
		argv = append(argv, "--remove="+dir)
	}
	if o.Disk.Any() {
		argv = append(argv, "--disk="+o.Disk.String())
	}
	switch {
	case o.Binary != "":
		argv = append(argv, "--binary="+o.Binary, "--")
	case o.Disk.Any(): // the built-in etcd under a keeper
		argv = append(append(append(argv, "--binary="+o.Command[0], "--"), own...), "--kept", "--")
	default:
		argv = append(argv, "--")
	}
	return append(argv, spec.args...)
}

// memberEnv returns the environment of this process without the variables that would set flags
// of a member (ETCD_*), and without secrets, such as a password.
func memberEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "ETCD_") && !strings.HasPrefix(kv, "ETCDBENCH_") {
			env = append(env, kv)
		}
	}
	return env
}

// Died returns an error if the process of a member has ended.
func (c *Processes) Died() error {
	for _, p := range c.processes() {
		select {
		case <-p.exited:
			if p.expected.Load() {
				continue
			}
			return fmt.Errorf("member %s ended: %v", p.name, p.err)
		default:
		}
	}
	return nil
}

// processes returns the present processes of the members.
func (c *Processes) processes() []*process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.members)
}

// logLines is the number of log lines in an error.
const logLines = 5

// withLogs adds the last lines of the log of the member that err names.
func (c *Processes) withLogs(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	for _, p := range c.processes() {
		if strings.Contains(err.Error(), "member "+p.name) {
			return fmt.Errorf("%w; the last lines of its log:\n%s", err, lastLines(p.log, logLines))
		}
	}
	return err
}

// lastLines returns the last n lines of a file, indented and shortened for a terminal.
func lastLines(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return "  (" + err.Error() + ")"
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 64<<10 {
		_, _ = f.Seek(-64<<10, io.SeekEnd)
	}
	var lines []string
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		line := scanner.Text()
		if len(line) > 300 {
			line = strings.ToValidUTF8(line[:300], "") + "…"
		}
		lines = append(lines, "  "+line)
		if len(lines) > n {
			lines = lines[1:]
		}
	}
	return strings.Join(lines, "\n")
}

// Members implements [Cluster].
func (c *Processes) Members() []Member {
	var ms []Member
	for _, p := range c.processes() {
		ms = append(ms, Member{Name: p.name, Endpoint: p.client, PID: p.pid, Log: p.log})
	}
	return ms
}

// TLS implements [Cluster].
func (c *Processes) TLS() *tls.Config { return c.tls }

// CertFile returns the path of the certificate that all members have.
func (c *Processes) CertFile() string { return certFile(c.settings.DataDir) }

// Describe implements [Cluster].
func (c *Processes) Describe() results.Cluster {
	d := c.settings.describe(results.ClusterProcess)
	d.Binary = c.binary
	return d
}

// Stop implements [Cluster].
func (c *Processes) Stop() error {
	var wg sync.WaitGroup
	for i, p := range c.processes() {
		_ = c.Resume(i)
		wg.Go(p.stop)
	}
	wg.Wait()
	c.links.close()
	var errs []error
	for _, p := range c.processes() {
		errs = append(errs, os.RemoveAll(p.dataDir))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(c.settings.DataDir, "tls")), os.RemoveAll(snapshotDir(c.settings.DataDir)))
	return errors.Join(errs...)
}

// stopTimeout is the time limit for a member to stop by itself.
const stopTimeout = 5 * time.Second

func (p *process) stop() {
	_ = p.lifeline.Close()
	select {
	case <-p.exited:
		return
	case <-time.After(stopTimeout):
	}
	// Paused or without progress. A keeper ends when its program has ended.
	if proc, err := os.FindProcess(p.pid); err == nil {
		_ = proc.Kill()
	}
	<-p.exited
}
