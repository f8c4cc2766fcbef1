package cluster

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/pkg/v3/flags"
	"go.etcd.io/etcd/server/v3/embed"

	"github.com/etcdbench/etcdbench/bench/disk"
)

// copyFlags copies the flags that embed.Config does not bind itself.
func copyFlags(cfg *embed.Config, fs *flag.FlagSet) {
	cfg.ListenPeerUrls = flags.UniqueURLsFromFlag(fs, "listen-peer-urls")
	cfg.AdvertisePeerUrls = flags.UniqueURLsFromFlag(fs, "initial-advertise-peer-urls")
	cfg.ListenClientUrls = flags.UniqueURLsFromFlag(fs, "listen-client-urls")
	cfg.ListenClientHttpUrls = flags.UniqueURLsFromFlag(fs, "listen-client-http-urls")
	cfg.AdvertiseClientUrls = flags.UniqueURLsFromFlag(fs, "advertise-client-urls")
	cfg.ListenMetricsUrls = flags.UniqueURLsFromFlag(fs, "listen-metrics-urls")
	cfg.CORS = flags.UniqueURLsMapFromFlag(fs, "cors")
	cfg.HostWhitelist = flags.UniqueStringsMapFromFlag(fs, "host-whitelist")
	cfg.CipherSuites = flags.StringsFromFlag(fs, "cipher-suites")
	cfg.MaxConcurrentStreams = flags.Uint32FromFlag(fs, "max-concurrent-streams")
	cfg.LogOutputs = flags.UniqueStringsFromFlag(fs, "log-outputs")
	fs.Visit(func(f *flag.Flag) { cfg.FlagsExplicitlySet[f.Name] = true })
}

// startDescriptor is the descriptor on which a member process reports its start to its parent.
// diskDescriptor is the file descriptor on which a keeper receives the disk conditions of its program.
const startDescriptor, diskDescriptor = 3, 4

// startLine is the message on startDescriptor.
type startLine struct {
	PID int `json:"pid"`
}

// memberOptions are the arguments of [MemberMain].
type memberOptions struct {
	binary string
	kept   bool
	resume int
	calls  disk.Calls
	remove []string
	args   []string
}

func parseMember(args []string, stderr io.Writer) (o memberOptions, err error) {
	fs := flag.NewFlagSet("member", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.binary, "binary", "", "program to run instead of the built-in etcd")
	fs.IntVar(&o.resume, "resume", 0, "process group to resume at the end")
	fs.BoolVar(&o.kept, "kept", false, "run until the keeper ends this process")
	fs.Func("disk", "calls to supervise", func(text string) error {
		o.calls = disk.ParseCalls(text)
		return nil
	})
	fs.Func("remove", "directory to remove at the end", func(dir string) error {
		o.remove = append(o.remove, dir)
		return nil
	})
	err = fs.Parse(args)
	o.args = fs.Args()
	return o, err
}

// MemberMain is the body of the hidden command that runs one member. args are
// [--remove=DIR]... [--binary=PATH] [--disk=CALLS] -- and the flags of etcd, or the arguments
// of the program. With --resume=PID, it only resumes a paused member at the end. The member
// runs until lifeline ends: a pipe whose other end the parent holds, so that it ends however
// the parent dies. Then the member removes the directories of --remove. A member with --kept
// has a keeper as its parent and needs no lifeline. The return value is the exit code.
func MemberMain(args []string, lifeline io.Reader, stderr io.Writer) int {
	parent := os.Getppid()
	o, err := parseMember(args, stderr)
	switch {
	case err != nil:
		return 2
	case o.resume > 0:
		_, _ = io.Copy(io.Discard, lifeline)
		if err := syscall.Kill(-o.resume, syscall.SIGCONT); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	case o.kept:
		if err := runEmbedded(o.args, nil); err != nil {
			fmt.Fprintln(stderr, err)
		}
		return 1
	}
	// A program under a keeper must not use the keeper's descriptor.
	syscall.CloseOnExec(startDescriptor)
	// The kernel sends SIGHUP to a paused member whose parent dies. It is ignored: the member must
	// live to clean up.
	signal.Ignore(syscall.SIGHUP)
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		close(end)
	}()
	if o.binary != "" {
		err = keep(o.binary, o.args, o.calls, stderr, end)
	} else {
		err = runEmbedded(o.args, end)
	}
	select {
	case <-end: // asked to end: the remaining directories have no owner
		removeAll(o.remove, parent)
		return 0
	default:
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return 1
}

// hardStopTimeout is the time limit of a server for an immediate stop.
const hardStopTimeout = 2 * time.Second

func announce(pid int) {
	f := os.NewFile(startDescriptor, "start")
	if f == nil {
		return
	}
	_ = json.NewEncoder(f).Encode(startLine{PID: pid}) // the parent may have ended
	_ = f.Close()
}

// runEmbedded runs the built-in etcd until end is closed or until etcd fails. Without end, it
// runs under a keeper, which reports its start.
func runEmbedded(args []string, end <-chan struct{}) error {
	cfg, err := embedConfig(args)
	if err != nil {
		return err
	}
	if end != nil {
		announce(os.Getpid())
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	e, err := startEtcd(cfg)
	if err != nil {
		return err
	}
	select {
	case <-end:
		// No graceful stop, because the data are removed; but nothing may be written any longer.
		stopped := make(chan struct{})
		go func() { e.Server.HardStop(); close(stopped) }()
		select {
		case <-stopped:
		case <-time.After(hardStopTimeout):
		}
	case <-term:
		e.Close()
		err = errors.New("terminated")
	case err = <-e.Err():
	case <-e.Server.StopNotify():
		err = errors.New("etcd stopped unexpectedly")
	}
	return err
}
