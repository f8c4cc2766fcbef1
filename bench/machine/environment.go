package machine

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Version is the tool's own version where the build says nothing better.
const Version = "0.1.0"

const etcdClientModule = "go.etcd.io/etcd/client/v3"

// Describe returns the machine, its limits and the versions in play.
func Describe(ctx context.Context) results.Environment {
	e := results.Environment{
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), Tool: Version,
	}
	describe(&e)
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			e.Tool = v
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				e.Revision = s.Value
			case s.Key == "vcs.modified" && s.Value == "true" && e.Revision != "":
				e.Revision += "-dirty"
			}
		}
		for _, d := range info.Deps {
			if d.Path == etcdClientModule {
				e.EtcdClient = d.Version
			}
		}
	}
	if e.Revision == "" {
		e.Revision = gitRevision(ctx)
	}
	return e
}

// gitRevision asks git about the working directory: "go run" stamps no revision
// into the binary. No git, no revision.
func gitRevision(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=40", "--match=").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// The probe writes what a small raft entry takes in the write-ahead log.
const (
	probeBlock = 2300
	probeFile  = 8 << 20
)

// ProbeDisk measures for about the given time how long an fdatasync of a small
// write to a file in dir takes; the probe's file is removed. Percentiles are
// over all syncs.
func ProbeDisk(ctx context.Context, dir string, length time.Duration) (*results.Disk, error) {
	f, err := os.CreateTemp(dir, ".fdatasync-probe-*")
	if err != nil {
		return nil, fmt.Errorf("probe disk: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	disk := &results.Disk{}
	disk.FileSystem, disk.Memory = FileSystem(dir)
	block := make([]byte, probeBlock)
	var syncs []time.Duration
	var written int64
	for begin := time.Now(); time.Since(begin) < length && ctx.Err() == nil; {
		if written > probeFile {
			written = 0
		}
		if _, err := f.WriteAt(block, written); err != nil {
			return nil, fmt.Errorf("probe disk: %w", err)
		}
		written += probeBlock
		start := time.Now()
		if err := fdatasync(f); err != nil {
			return nil, fmt.Errorf("probe disk: %w", err)
		}
		syncs = append(syncs, time.Since(start))
	}
	if len(syncs) == 0 {
		return nil, ctx.Err()
	}
	slices.Sort(syncs)
	disk.Syncs = len(syncs)
	disk.SyncP50 = syncs[len(syncs)/2]
	disk.SyncP99 = syncs[len(syncs)*99/100]
	return disk, nil
}
