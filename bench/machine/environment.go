package machine

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Describe returns the machine, its limits and the versions of the programs.
func Describe(ctx context.Context) results.Environment {
	e := results.Environment{
		CPUs: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(),
	}
	describe(&e)
	info, _ := debug.ReadBuildInfo() // nil if there is none
	provenance(&e, info, func() string { return gitRevision(ctx, "") })
	return e
}

// The sizes of the disk probe, in bytes. A block is as large as a small Raft entry in the
// write-ahead log.
const (
	probeBlock = 2300
	probeFile  = 8 << 20
)

// ProbeDisk measures the time of an fdatasync after a small write to a file in dir, repeatedly
// for about the given length. It removes the file. Percentiles are over all syncs.
func ProbeDisk(ctx context.Context, dir string, length time.Duration) (*results.Disk, error) {
	f, err := os.CreateTemp(dir, ".fdatasync-probe-*")
	if err != nil {
		return nil, fmt.Errorf("probe disk: %w", err)
	}
	defer f.Close()
	// Removed at once, so that the file does not stay, however the process ends.
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("probe disk: %w", err)
	}
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
