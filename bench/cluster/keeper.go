package cluster

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"github.com/etcdbench/etcdbench/bench/disk"
)

// keep runs a foreign program and ends it when end is closed. If the keeper itself is killed,
// the kernel kills the program: the parent-death signal follows the thread that started the
// program, so that thread is held until the program has ended. If calls are supervised, the
// conditions come from [diskDescriptor].
func keep(binary string, args []string, calls disk.Calls, out io.Writer, end <-chan struct{}) error {
	started := make(chan error, 1)
	done := make(chan error, 1)
	cmd := exec.Command(binary, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = dieWithParent()
	go func() {
		runtime.LockOSThread()
		err := start(cmd, calls)
		started <- err
		if err == nil {
			done <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", binary, err)
	}
	announce(cmd.Process.Pid)
	select {
	case err := <-done:
		return fmt.Errorf("%s ended unexpectedly: %w", binary, err)
	case <-end:
	}
	// A graceful stop is not needed, because the data are removed. The signal goes to the whole
	// group, because the program may be a script around another program.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-done
	return nil
}

// start starts the program from a thread that is not used for anything else.
func start(cmd *exec.Cmd, calls disk.Calls) error {
	if !calls.Any() {
		return cmd.Start()
	}
	syscall.CloseOnExec(diskDescriptor)
	supervisor, err := disk.Start(cmd, calls)
	if err == nil {
		go disk.Serve(os.NewFile(diskDescriptor, "disk"), supervisor)
	}
	return err
}
