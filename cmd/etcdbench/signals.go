package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/etcdbench/etcdbench/bench"
)

// signalGrace is how long further signals are ignored after the first. GNU timeout signals its
// child and then its whole process group, which is one request and not two.
const signalGrace = time.Second

// catchSignals begins to catch the signals that end a program. A hangup that the process
// inherited as ignored stays ignored, as nohup wants it. An interrupt is always caught: shells
// ignore it for the background jobs of scripts, which send it to them by "kill -INT". A
// broken pipe makes a write fail and nothing more: a reader that goes away must not lose a run.
func catchSignals() <-chan os.Signal {
	c := make(chan os.Signal, 8)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if s != syscall.SIGHUP || !signal.Ignored(s) {
			signal.Notify(c, s)
		}
	}
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return c
}

// interruptible returns a context that the first of the signals cancels with
// [bench.ErrInterrupted], which makes a run an interrupted one, and its end. A signal that
// comes more than the grace after the first calls quit.
func interruptible(signals <-chan os.Signal, stderr io.Writer, quit func()) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	done := make(chan struct{})
	go func() {
		var since time.Time
		for {
			select {
			case <-done:
				return
			case <-signals:
			}
			switch {
			case since.IsZero():
				since = time.Now()
				fmt.Fprintln(stderr, "\nstopping; press Ctrl-C again to force quit")
				cancel(bench.ErrInterrupted)
			case time.Since(since) > signalGrace:
				quit()
				return
			}
		}
	}()
	return ctx, func() { close(done); cancel(nil) }
}
