package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench"
)

// The first signal cancels; another one counts when it comes more than a second later.
func TestSecondSignal(t *testing.T) {
	for name, test := range map[string]struct {
		at   []time.Duration
		want string
	}{
		"none":               {nil, ""},
		"one":                {[]time.Duration{time.Second}, "first"},
		"timeout's two":      {[]time.Duration{time.Second, time.Second}, "first"},
		"three in a second":  {[]time.Duration{0, 400 * time.Millisecond, time.Second}, "first"},
		"another one later":  {[]time.Duration{0, time.Second + time.Millisecond}, "first quit"},
		"two, then a third":  {[]time.Duration{0, 10 * time.Millisecond, 3 * time.Second}, "first quit"},
		"before the context": {[]time.Duration{-1}, "first"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				signals := make(chan os.Signal, 8)
				got := ""
				begin := time.Now()
				if slices.Contains(test.at, -1) {
					signals <- os.Interrupt
				}
				ctx, stop := interruptible(signals, io.Discard, func() { got = "first quit" })
				for _, at := range test.at {
					if at >= 0 {
						time.Sleep(time.Until(begin.Add(at)))
						signals <- os.Interrupt
					}
				}
				synctest.Wait()
				if got == "" && ctx.Err() != nil {
					got = "first"
				}
				if got != test.want || (test.want != "") != errors.Is(context.Cause(ctx), bench.ErrInterrupted) {
					t.Errorf("%q with the cause %v, want %q", got, context.Cause(ctx), test.want)
				}
				stop()
			})
		})
	}
}

// A signal that the process inherited as ignored does not end it; others do.
func TestIgnoredSignals(t *testing.T) {
	if os.Getenv("ETCDBENCH_TEST_CHILD") != "" {
		ctx, stop := interruptible(catchSignals(), io.Discard, func() {})
		defer stop()
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Signal(syscall.SIGHUP)
		select {
		case <-ctx.Done():
			t.Fatal("the ignored signal ended it")
		case <-time.After(100 * time.Millisecond):
		}
		_ = self.Signal(syscall.SIGTERM)
		<-ctx.Done()
		return
	}
	if signal.Ignored(syscall.SIGTERM) {
		t.Skip("this test runs with SIGTERM ignored")
	}
	cmd := exec.Command("sh", "-c", `trap "" HUP; exec "$0" -test.run=TestIgnoredSignals`, os.Args[0])
	cmd.Env = append(os.Environ(), "ETCDBENCH_TEST_CHILD=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// A command that only prints ends at the first signal, whatever it is doing.
func TestPrintingEndsAtTheFirstSignal(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(context.Background())
	begun, release := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(release) })
	cmd := &cobra.Command{Use: "report", SilenceErrors: true, SilenceUsage: true, RunE: printing(func(*cobra.Command, []string) error {
		close(begun)
		<-release
		return nil
	})}
	cmd.SetArgs(nil)
	go func() { <-begun; cancel(bench.ErrInterrupted) }()
	if code := exitCode(ctx, cmd.ExecuteContext(ctx)); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}
