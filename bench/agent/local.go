package agent

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Local are agents on this machine, each a process of its own.
type Local struct {
	// Ended has the error of each process that ends before Stop.
	Ended chan error

	cancel    context.CancelFunc
	processes sync.WaitGroup
}

// StartLocal starts count processes. The arguments are those of each, after the program;
// the index of the agent follows. What they print goes into dir. The variables of env are
// added to those of this process.
func StartLocal(program string, arguments []string, count int, dir string, env ...string) (*Local, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Local{Ended: make(chan error, count), cancel: cancel}
	for i := range count {
		log, err := os.Create(filepath.Join(dir, fmt.Sprintf("agent-%d.log", i)))
		if err != nil {
			l.Stop(0)
			return nil, fmt.Errorf("start agent %d: %w", i, err)
		}
		cmd := exec.CommandContext(ctx, program, append(arguments[:len(arguments):len(arguments)], "--index", fmt.Sprint(i))...)
		cmd.Stdout, cmd.Stderr, cmd.Env, cmd.SysProcAttr = log, log, append(os.Environ(), env...), ownGroup()
		if err := cmd.Start(); err != nil {
			_ = log.Close()
			l.Stop(0)
			return nil, fmt.Errorf("start agent %d: %w", i, err)
		}
		l.processes.Go(func() {
			err := cmd.Wait()
			_ = log.Close()
			if ctx.Err() == nil {
				l.Ended <- fmt.Errorf("agent %d: %s", i, cmp.Or(lastLine(log.Name()), fmt.Sprint(err)))
			}
		})
	}
	return l, nil
}

// lastLine returns the last line of a file, "" where there is none.
func lastLine(path string) string {
	data, _ := os.ReadFile(path)
	lines := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return lines[len(lines)-1]
}

// Stop waits for the processes, and ends those that have not ended after a time.
func (l *Local) Stop(after time.Duration) {
	timer := time.AfterFunc(after, l.cancel)
	defer timer.Stop()
	l.processes.Wait()
	l.cancel()
}
