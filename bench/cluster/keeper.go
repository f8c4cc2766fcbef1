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

// keep runs a program that knows nothing of us and sees to it that the program
// ends when end is closed. Should the keeper itself be killed, the kernel kills
// the program: the parent-death signal follows the thread that started it, so
// that thread is held until the program has ended. Where calls are to be supervised,
// their conditions come from [diskDescriptor].
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
		return fmt.Errorf("%s ended by itself: %w", binary, err)
	case <-end:
	}
	// Its data are thrown away, so there is nothing to close in good order. The
	// whole group: the program may be a script around another.
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	<-done
	return nil
}

// start starts the program, from a thread that is never used for anything else.
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
