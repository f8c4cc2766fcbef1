package agent

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Started holds agents that this process has started: processes on this machine, or the ssh
// clients of agents on other machines.
type Started struct {
	// Ended receives the error of each process that ends before Stop.
	Ended chan error

	cancel    context.CancelFunc
	processes sync.WaitGroup
}

// Command is the command line of one agent.
type Command struct {
	Program   string
	Arguments []string
	// Input is the standard input of the process.
	Input []byte
}

// LocalCommands returns the commands that start agents on this machine. arguments follow the
// program, and the index of the agent follows them.
func LocalCommands(program string, arguments []string, count int) (list []Command) {
	for i := range count {
		list = append(list, Command{Program: program, Arguments: append(slices.Clone(arguments), "--index", strconv.Itoa(i))})
	}
	return list
}

// SSHCommands returns the commands that start one agent on each of the hosts, where etcdbench
// must be in the search path. The index of the agent follows the arguments. The token is passed
// through the standard input.
func SSHCommands(hosts, arguments []string, token []byte) (list []Command) {
	for i, host := range hosts {
		line := "etcdbench"
		for _, a := range append(slices.Clone(arguments), "--index", strconv.Itoa(i)) {
			line += " '" + strings.ReplaceAll(a, "'", `'\''`) + "'" // quoted for the remote shell
		}
		list = append(list, Command{Program: "ssh", Arguments: []string{"-o", "BatchMode=yes", "--", host, line}, Input: token})
	}
	return list
}

// Start starts the agents. Their output is written to files in dir. The variables in env are
// added to the environment of this process.
func Start(commands []Command, dir string, env ...string) (*Started, error) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Started{Ended: make(chan error, len(commands)), cancel: cancel}
	for i, c := range commands {
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("agent-%d.log", i)))
		if err != nil {
			s.Stop(0)
			return nil, fmt.Errorf("start agent %d: %w", i, err)
		}
		cmd := exec.CommandContext(ctx, c.Program, c.Arguments...)
		if len(c.Input) > 0 {
			cmd.Stdin = bytes.NewReader(c.Input)
		}
		cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = log, log, append(os.Environ(), env...), ownGroup()
		if err := cmd.Start(); err != nil {
			_ = log.Close()
			s.Stop(0)
			return nil, fmt.Errorf("start agent %d: %w", i, err)
		}
		s.processes.Go(func() {
			err := cmd.Wait()
			_ = log.Close()
			if ctx.Err() == nil {
				s.Ended <- fmt.Errorf("agent %d: %s", i, cmp.Or(lastLine(log.Name()), fmt.Sprint(err)))
			}
		})
	}
	return s, nil
}

// lastLine returns the last line of a file, or "" if there is none.
func lastLine(path string) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return lines[len(lines)-1]
}

// Stop waits for the processes. It kills those that have not ended after the given time.
func (s *Started) Stop(after time.Duration) {
	timer := time.AfterFunc(after, s.cancel)
	defer timer.Stop()
	s.processes.Wait()
	s.cancel()
}
