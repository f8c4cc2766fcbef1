package disk_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/bench/disk"
)

// TestMain makes the test program its own supervised process: it carries out the
// commands of its standard input and prints how long each took.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "calls" {
		obey(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// obey carries out "sync COUNT THREADS", "write COUNT THREADS" and "stream COUNT
// THREADS" on a file: the calls of fdatasync, pwrite64 and write.
func obey(path string) {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var what string
		var count, threads int
		_, _ = fmt.Sscan(in.Text(), &what, &count, &threads)
		type outcome struct {
			took []time.Duration
			err  error
		}
		done := make(chan outcome, threads)
		begin := time.Now()
		for range threads {
			go func() {
				f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
				o := outcome{err: err}
				for range count {
					start := time.Now()
					switch what {
					case "sync":
						err = syscall.Fdatasync(int(f.Fd()))
					case "write":
						_, err = f.WriteAt([]byte("x"), 0)
					case "stream":
						_, err = f.Write([]byte("x"))
					}
					o.took, o.err = append(o.took, time.Since(start)), errors.Join(o.err, err)
				}
				_ = f.Close()
				done <- o
			}()
		}
		var all outcome
		for range threads {
			o := <-done
			all.took, all.err = append(all.took, o.took...), errors.Join(all.err, o.err)
		}
		slices.Sort(all.took)
		n := len(all.took)
		failure := "-"
		if all.err != nil {
			failure, _, _ = strings.Cut(strings.ReplaceAll(all.err.Error(), " ", "_"), "\n")
		}
		fmt.Println(int64(time.Since(begin)), int64(all.took[0]), int64(all.took[n/2]), int64(all.took[n*99/100]), failure)
	}
}

// supervised is a process under supervision.
type supervised struct {
	*disk.Supervisor
	pid int
	in  io.WriteCloser
	out *bufio.Scanner
}

// timing is what the process says of its calls.
type timing struct {
	total, least, p50, p99 time.Duration
	failure                string
}

func start(t testing.TB, path string, calls disk.Calls) *supervised {
	t.Helper()
	if err := disk.Check(); err != nil {
		t.Skip(err)
	}
	cmd := exec.Command(os.Args[0], "calls", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	p := &supervised{}
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewScanner(out)
	started, ended := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		s, err := disk.Start(cmd, calls)
		p.Supervisor = s
		started <- err
		if err == nil {
			ended <- cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	p.pid = cmd.Process.Pid
	t.Cleanup(func() {
		_ = p.in.Close()
		if err := <-ended; err != nil && stderr.Len() > 0 {
			t.Errorf("%v: %s", err, &stderr)
		}
	})
	return p
}

func (p *supervised) do(t testing.TB, command string) (r timing) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		t.Fatal(err)
	}
	if !p.out.Scan() {
		t.Fatalf("%s: no answer", command)
	}
	if _, err := fmt.Sscan(p.out.Text(), &r.total, &r.least, &r.p50, &r.p99, &r.failure); err != nil {
		t.Fatalf("%s: %q: %v", command, p.out.Text(), err)
	}
	return r
}

func file(t testing.TB) string { return filepath.Join(t.TempDir(), "file") }

// A delay holds from when it is set until it is lifted, for the calls that it is for,
// and each call waits by itself.
func TestDelay(t *testing.T) {
	t.Parallel()
	p := start(t, file(t), disk.Calls{Syncs: true, Writes: true})
	const delay = 200 * time.Millisecond
	if r := p.do(t, "sync 1 1"); r.failure != "-" {
		t.Errorf("undisturbed: %+v", r)
	}
	p.Set(disk.Conditions{Latency: delay, Delayed: disk.Calls{Syncs: true}})
	// Eight at once take as long as one. One after the other, they would take eight
	// times as long.
	if r := p.do(t, "sync 1 8"); r.least < delay || r.total > 6*delay || r.failure != "-" {
		t.Errorf("syncs took %v to %v together, want %v each: %v", r.least, r.total, delay, r.failure)
	}
	before := time.Now()
	if r := p.do(t, "write 20 1"); r.total > 20*delay || r.failure != "-" {
		t.Errorf("writes took %v, they are not delayed: %v", time.Since(before), r.failure)
	}
	effect := p.Set(disk.Conditions{})
	if effect.Delayed != 8 || effect.Mean() != delay || effect.Failed != 0 {
		t.Errorf("effect %+v", effect)
	}
	if r := p.do(t, "sync 20 1"); r.total > 20*delay {
		t.Errorf("after the end, 20 syncs took %v", r.total)
	}
	if effect := p.Set(disk.Conditions{}); effect != (disk.Effect{}) {
		t.Errorf("effect of nothing: %+v", effect)
	}
}

// A disk that completes so many calls a second makes those at once wait for each other.
func TestQueue(t *testing.T) {
	t.Parallel()
	p := start(t, file(t), disk.Calls{Syncs: true})
	p.Set(disk.Conditions{IOPS: 20, Delayed: disk.Calls{Syncs: true}})
	if r := p.do(t, "sync 1 8"); r.least < 50*time.Millisecond || r.total < 400*time.Millisecond {
		t.Errorf("8 syncs at 20/s took %v, the first %v", r.total, r.least)
	}
}

// Syncs fail with EIO, writes and appends with ENOSPC, and only those that are to. Writes to
// pipes, such as those of the answers, never fail.
func TestErrors(t *testing.T) {
	t.Parallel()
	p := start(t, file(t), disk.Calls{Syncs: true, Writes: true, Appends: true})
	for _, c := range []struct {
		failed              disk.Calls
		sync, write, stream string
	}{
		{disk.Calls{Syncs: true}, "input/output_error", "-", "-"},
		{disk.Calls{Writes: true}, "-", "no_space_left_on_device", "-"},
		{disk.Calls{Appends: true}, "-", "-", "no_space_left_on_device"},
		{disk.Calls{}, "-", "-", "-"},
	} {
		p.Set(disk.Conditions{Failed: c.failed})
		for what, want := range map[string]string{"sync": c.sync, "write": c.write, "stream": c.stream} {
			if r := p.do(t, what+" 2 2"); !strings.HasSuffix(r.failure, want) {
				t.Errorf("%s with %v failing: %s, want %s", what, c.failed, r.failure, want)
			}
		}
	}
}

// A signal does not make a delay longer, and a stopped process goes on.
func TestSignals(t *testing.T) {
	t.Parallel()
	p := start(t, file(t), disk.Calls{Syncs: true})
	p.Set(disk.Conditions{Latency: 500 * time.Millisecond, Delayed: disk.Calls{Syncs: true}})
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
			for _, s := range []syscall.Signal{syscall.SIGURG, syscall.SIGSTOP, syscall.SIGCONT} {
				_ = syscall.Kill(p.pid, s)
			}
		}
	}()
	if r := p.do(t, "sync 1 4"); r.least < 500*time.Millisecond || r.failure != "-" {
		t.Errorf("%+v", r)
	}
	if effect := p.Set(disk.Conditions{}); effect.Delayed != 4 {
		t.Errorf("%d of 4 calls were delayed", effect.Delayed)
	}
}

// A process that is killed while its calls wait ends at once.
func TestKill(t *testing.T) {
	t.Parallel()
	p := start(t, file(t), disk.Calls{Syncs: true})
	p.Set(disk.Conditions{Latency: 9 * time.Second, Delayed: disk.Calls{Syncs: true}})
	if _, err := fmt.Fprintln(p.in, "sync 1 4"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	begin := time.Now()
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	if p.out.Scan(); time.Since(begin) > 5*time.Second {
		t.Errorf("it ended after %v", time.Since(begin))
	}
}

// A process that cannot be started leaves nothing behind.
func TestStartFails(t *testing.T) {
	t.Parallel()
	if err := disk.Check(); err != nil {
		t.Skip(err)
	}
	failure := make(chan error)
	go func() {
		runtime.LockOSThread()
		_, err := disk.Start(exec.Command("/does/not/exist"), disk.Calls{Syncs: true, Appends: true})
		failure <- err
	}()
	if err := <-failure; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// Conditions are changed over a connection, and the effect comes back.
func TestControl(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() { disk.Serve(theirs, new(disk.Supervisor)); close(done) }()
	c := disk.NewControl(ours)
	if effect, err := c.Set(disk.Conditions{Latency: time.Second}); err != nil || effect != (disk.Effect{}) {
		t.Errorf("%+v, %v", effect, err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-done
	if _, err := c.Set(disk.Conditions{}); err == nil {
		t.Error("no error after the end")
	}
}

// Calls are the same after they were written and read.
func TestCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []disk.Calls{{}, {Syncs: true}, {Writes: true}, {Appends: true}, {Syncs: true, Writes: true, Appends: true}} {
		if got := disk.ParseCalls(c.String()); got != c {
			t.Errorf("%q: %+v", c, got)
		}
	}
}

// BenchmarkSync is the cost of supervision without any condition: run it with the file on
// a file system in memory (TMPDIR=/dev/shm), where a sync costs nothing else.
func BenchmarkSync(b *testing.B) {
	for name, calls := range map[string]disk.Calls{"free": {}, "supervised": {Syncs: true}} {
		b.Run(name, func(b *testing.B) {
			p := start(b, file(b), calls)
			r := p.do(b, fmt.Sprintf("sync %d 1", b.N))
			b.ReportMetric(float64(r.total)/float64(b.N), "ns/sync")
			b.ReportMetric(float64(r.p50), "p50-ns")
			b.ReportMetric(float64(r.p99), "p99-ns")
		})
	}
}

// BenchmarkAppend is the same for writes to a file; those to sockets and pipes pay as much.
func BenchmarkAppend(b *testing.B) {
	for name, calls := range map[string]disk.Calls{"free": {}, "supervised": {Appends: true}} {
		b.Run(name, func(b *testing.B) {
			r := start(b, file(b), calls).do(b, fmt.Sprintf("stream %d 1", b.N))
			b.ReportMetric(float64(r.total)/float64(b.N), "ns/write")
			b.ReportMetric(float64(r.p50), "p50-ns")
			b.ReportMetric(float64(r.p99), "p99-ns")
		})
	}
}
