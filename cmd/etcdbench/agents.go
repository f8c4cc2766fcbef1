package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/scratch"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// agentFlags configure how the agents of a run find their coordinator.
type agentFlags struct {
	listen      string
	endpoints   []string
	joinFile    string
	joinTimeout time.Duration
}

func (f *agentFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.listen, "coordinator-listen", "",
		"`address` where --agents join, such as :2389 (default: a free port, on loopback for local agents)")
	fs.StringSliceVar(&f.endpoints, "coordination-endpoints", nil,
		"`addresses` of an etcd that coordinates --agents, not the cluster under test (default: one inside this process)")
	fs.StringVar(&f.joinFile, "join-file", "",
		"`file` that the join token is written to; with --coordination-endpoints, the PEM file of certificate, key and authority")
	fs.DurationVar(&f.joinTimeout, "join-timeout", 2*time.Minute, "longest wait for --agents before a run")
}

// agentsValue is the flag of the number of agents.
type agentsValue struct{ agents *runner.Agents }

// sshHost is a host as ssh takes it.
var sshHost = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.@:-]*[A-Za-z0-9_])?$`)

func (v agentsValue) Set(s string) error {
	*v.agents = runner.Agents{Continue: v.agents.Continue}
	if list, ok := strings.CutPrefix(s, "ssh:"); ok {
		v.agents.SSH = strings.Split(list, ",")
		v.agents.Count = len(v.agents.SSH)
		for _, host := range v.agents.SSH {
			if !sshHost.MatchString(host) {
				return fmt.Errorf("%q is not a host for ssh: give HOST or USER@HOST", host)
			}
		}
		return nil
	}
	number, local := strings.CutPrefix(s, "local:")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is neither a number of agents nor local:NUMBER nor ssh:HOST,HOST", s)
	}
	v.agents.Count, v.agents.Local = n, local
	return nil
}

func (v agentsValue) String() string { return "" }
func (agentsValue) Type() string     { return "agents" }

// lossValue is the flag for the policy after the loss of an agent.
type lossValue struct{ carryOn *bool }

func (v lossValue) Set(s string) error {
	if s != "fail" && s != "continue" {
		return fmt.Errorf("must be fail or continue, not %q", s)
	}
	*v.carryOn = s == "continue"
	return nil
}

func (v lossValue) String() string { return "fail" }
func (lossValue) Type() string     { return "policy" }

// agentVersion is the version that agents and their coordinator must share.
func agentVersion(ctx context.Context) string {
	e := machine.Describe(ctx)
	return e.Tool + " " + e.Revision
}

// gathering is a coordinator with its agents.
type gathering struct {
	fleet   runner.Fleet
	cleanup []func()
}

func (g *gathering) stop() {
	for i := len(g.cleanup) - 1; i >= 0; i-- {
		g.cleanup[i]()
	}
}

// gather opens a session for the agents that the specification requests, and starts those of
// this machine. Without any, the fleet is nil. The caller must stop the gathering.
func (f *agentFlags) gather(ctx context.Context, spec runner.Spec, password string, stderr io.Writer) (g *gathering, err error) {
	g = &gathering{}
	if spec.Agents.Count == 0 {
		return g, nil
	}
	defer func() {
		if err != nil {
			g.stop()
		}
	}()
	dir, err := scratch.Make(scratch.Agents)
	if err != nil {
		return g, fmt.Errorf("gather agents: %w", err)
	}
	g.cleanup = append(g.cleanup, func() { _ = dir.Remove() })
	endpoint, err := f.endpoint(ctx, g, spec.Agents.Local, dir.Path)
	if err != nil {
		return g, err
	}
	o := agent.CoordinatorOptions{Endpoint: endpoint, Count: spec.Agents.Count, Version: agentVersion(ctx), JoinTimeout: f.joinTimeout}
	commands, err := f.commands(spec.Agents, endpoint)
	if err != nil {
		return g, err
	}
	if len(commands) > 0 {
		started, err := agent.Start(commands, dir.Path, runner.PasswordVariable+"="+password)
		if err != nil {
			return g, err
		}
		g.cleanup = append(g.cleanup, func() { started.Stop(agentStopTime) })
		o.Ended = started.Ended
	} else {
		fmt.Fprintf(stderr, "waiting for %s; start each with: etcdbench %s\n",
			words.Plural(int64(spec.Agents.Count), "agent", "agents"), strings.Join(f.arguments(endpoint, f.joinFile), " "))
	}
	c, err := agent.NewCoordinator(ctx, o)
	if err != nil {
		return g, err
	}
	g.fleet, g.cleanup = c, append(g.cleanup, c.Close)
	return g, c.Wait(ctx)
}

// arguments returns the arguments of an agent that reads the join token from a file.
func (f *agentFlags) arguments(e agent.Endpoint, token string) []string {
	list := []string{"agent", "--join", strings.Join(e.URLs, ",")}
	if token != "" {
		list = append(list, "--join-file", token)
	}
	return list
}

// commands returns the commands of the agents to start here.
func (f *agentFlags) commands(a runner.Agents, e agent.Endpoint) ([]agent.Command, error) {
	switch {
	case a.Local:
		program, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("start agents: %w", err)
		}
		return agent.LocalCommands(program, f.arguments(e, f.joinFile), a.Count), nil
	case len(a.SSH) > 0 && len(e.Credentials) > 0:
		return agent.SSHCommands(a.SSH, f.arguments(e, standardInput), e.Credentials), nil
	case len(a.SSH) > 0:
		return agent.SSHCommands(a.SSH, f.arguments(e, ""), nil), nil
	}
	return nil, nil
}

// agentStopTime is the time limit for agents of this machine to end by themselves.
const agentStopTime = 5 * time.Second

// endpoint returns the etcd for coordination: the given one, or one that is started here.
func (f *agentFlags) endpoint(ctx context.Context, g *gathering, local bool, dir string) (agent.Endpoint, error) {
	if len(f.endpoints) > 0 {
		e := agent.Endpoint{URLs: f.endpoints}
		if f.joinFile != "" {
			data, err := results.ReadFile(f.joinFile, maxToken)
			if err == nil {
				e.Credentials, err = agent.ParseToken(string(data))
			}
			if err != nil {
				return e, usage(fmt.Errorf("--join-file: %w", err))
			}
		}
		if err := e.Check(); err != nil {
			return e, usage(fmt.Errorf("--coordination-endpoints: %w", err))
		}
		return e, nil
	}
	o := cluster.CoordinationOptions{Listen: f.listen, Hosts: ownHosts()}
	if o.Listen == "" && local {
		o.Listen = "127.0.0.1:0"
	} else if o.Listen == "" {
		o.Listen = ":0"
	}
	token := os.Getenv(joinVariable)
	given := token != "" && !local
	if given {
		var err error
		if o.Credentials, err = agent.ParseToken(token); err != nil {
			return agent.Endpoint{}, usage(fmt.Errorf("%s: %w", joinVariable, err))
		}
	}
	etcd, err := cluster.StartCoordination(ctx, o)
	if err != nil {
		return agent.Endpoint{}, err
	}
	g.cleanup = append(g.cleanup, etcd.Stop)
	if f.joinFile == "" && !given {
		f.joinFile = filepath.Join(dir, "join.pem")
	}
	if f.joinFile != "" {
		if err := writeToken(f.joinFile, etcd.Credentials); err != nil {
			return agent.Endpoint{}, fmt.Errorf("--join-file: %w", err)
		}
	}
	return agent.Endpoint{URLs: []string{etcd.URL}, Credentials: etcd.Credentials}, nil
}

// writeToken writes the file of the token before the agents join, because they may wait for
// it.
func writeToken(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".join-*") // readable for this user alone
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// ownHosts returns the names and addresses of this machine, its name first.
func ownHosts() (hosts []string) {
	if name, err := os.Hostname(); err == nil {
		hosts = append(hosts, name)
	}
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			hosts = append(hosts, ip.IP.String())
		}
	}
	return hosts
}

// check refuses flags that have no effect without agents.
func (f *agentFlags) check(fs *pflag.FlagSet, spec runner.Spec) error {
	for _, name := range []string{"coordinator-listen", "coordination-endpoints", "join-file", "join-timeout"} {
		if fs.Changed(name) && spec.Agents.Count == 0 {
			return fmt.Errorf("--%s needs --agents", name)
		}
	}
	if fs.Changed("coordinator-listen") && fs.Changed("coordination-endpoints") {
		return errors.New("--coordinator-listen and --coordination-endpoints cannot be combined")
	}
	return nil
}
