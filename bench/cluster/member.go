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
)

// copyFlags takes over the flags that embed.Config does not bind itself.
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

// startDescriptor is where a member's process tells its parent that it has started.
const startDescriptor = 3

// startLine is what it tells.
type startLine struct {
	PID int `json:"pid"`
}

// MemberMain is the body of the hidden command that runs one member. args are
// [--remove=DIR]... [--binary=PATH] -- and etcd's flags; or --resume=PID, to resume a
// paused member at the end and do nothing else. The member lives until
// lifeline, a pipe whose other end its parent holds, comes to its end: that
// happens however the parent dies. Then the directories of --remove go. The
// return value is the exit code.
func MemberMain(args []string, lifeline io.Reader, stderr io.Writer) int {
	fs := flag.NewFlagSet("member", flag.ContinueOnError)
	fs.SetOutput(stderr)
	binary := fs.String("binary", "", "program to run instead of the built-in etcd")
	resume := fs.Int("resume", 0, "process group to resume at the end")
	parent := os.Getppid()
	var remove []string
	fs.Func("remove", "directory to remove at the end", func(dir string) error {
		remove = append(remove, dir)
		return nil
	})
	if fs.Parse(args) != nil {
		return 2
	}
	if *resume > 0 {
		_, _ = io.Copy(io.Discard, lifeline)
		if err := syscall.Kill(-*resume, syscall.SIGCONT); err != nil {
			fmt.Fprintln(stderr, err)
			return 1
		}
		return 0
	}
	// What a keeper starts must not speak for it.
	syscall.CloseOnExec(startDescriptor)
	// The kernel hangs up on a paused member whose parent dies: it must live to clean up.
	signal.Ignore(syscall.SIGHUP)
	end := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, lifeline)
		close(end)
	}()
	run := runEmbedded
	if *binary != "" {
		run = func(args []string, end <-chan struct{}) error { return keep(*binary, args, stderr, end) }
	}
	err := run(fs.Args(), end)
	select {
	case <-end: // asked to go: whatever is left belongs to nobody
		removeAll(remove, parent)
		return 0
	default:
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	return 1
}

// hardStopTimeout bounds the wait for a server that is to stop at once.
const hardStopTimeout = 2 * time.Second

func announce(pid int) {
	f := os.NewFile(startDescriptor, "start")
	if f == nil {
		return
	}
	_ = json.NewEncoder(f).Encode(startLine{PID: pid}) // the parent may be gone
	_ = f.Close()
}

// runEmbedded runs the built-in etcd until end or until it fails.
func runEmbedded(args []string, end <-chan struct{}) error {
	cfg, err := embedConfig(args)
	if err != nil {
		return err
	}
	announce(os.Getpid())
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	select {
	case <-end:
		// The data are thrown away: no closing in good order, but no writing either.
		stopped := make(chan struct{})
		go func() { e.Server.HardStop(); close(stopped) }()
		select {
		case <-stopped:
		case <-time.After(hardStopTimeout):
		}
	case <-term:
		err = errors.New("terminated")
	case err = <-e.Err():
	case <-e.Server.StopNotify():
		err = errors.New("etcd stopped by itself")
	}
	return err
}
