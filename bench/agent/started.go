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

// Started are agents that this process has started: processes on this machine, or the ssh
// clients of agents on other ones.
type Started struct {
	// Ended has the error of each process that ends before Stop.
	Ended chan error

	cancel    context.CancelFunc
	processes sync.WaitGroup
}

// Command is how one agent is started.
type Command struct {
	Program   string
	Arguments []string
	// Input is what the process reads from its standard input.
	Input []byte
}

// LocalCommands start agents on this machine. The arguments are those of each, after the
// program; the index of the agent follows.
func LocalCommands(program string, arguments []string, count int) (list []Command) {
	for i := range count {
		list = append(list, Command{Program: program, Arguments: append(slices.Clone(arguments), "--index", strconv.Itoa(i))})
	}
	return list
}

// SSHCommands start an agent on each of some machines, where etcdbench must be in the
// search path. The arguments are those of each agent; the index follows. The token goes
// through the standard input.
func SSHCommands(hosts, arguments []string, token []byte) (list []Command) {
	for i, host := range hosts {
		line := "etcdbench"
		for _, a := range append(slices.Clone(arguments), "--index", strconv.Itoa(i)) {
			line += " '" + strings.ReplaceAll(a, "'", `'\''`) + "'" // for the shell of the machine
		}
		list = append(list, Command{Program: "ssh", Arguments: []string{"-o", "BatchMode=yes", "--", host, line}, Input: token})
	}
	return list
}

// Start starts agents. What they print goes into dir. The variables of env are added to
// those of this process.
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

// lastLine returns the last line of a file, "" where there is none.
func lastLine(path string) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return lines[len(lines)-1]
}

// Stop waits for the processes, and ends those that have not ended after a time.
func (s *Started) Stop(after time.Duration) {
	timer := time.AfterFunc(after, s.cancel)
	defer timer.Stop()
	s.processes.Wait()
	s.cancel()
}
