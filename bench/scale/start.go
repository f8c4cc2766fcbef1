package scale

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/etcdbench/etcdbench/bench/machine"
	"github.com/etcdbench/etcdbench/results"
)

// coldShare is the share of a member's files that may stay in the page cache of a restart
// that is called cold.
const coldShare = 0.05

// restartCold stops a follower, or the only member, evicts its files from the page cache and
// starts it. Times count from its start. It is skipped where the files stay in the cache.
func restartCold(ctx context.Context, s *site, e *results.ScaleEvent) error {
	member, err := s.follower(ctx)
	if err != nil {
		return err
	}
	e.Member = s.name(member)
	if err := s.Terminate(member); err != nil {
		return err
	}
	stayed, size, evictErr := machine.EvictPages(s.DataDir(member))
	start := time.Now()
	if err := s.Start(member); err != nil {
		return err
	}
	if err := measureRecovery(ctx, s, e, start, member); err != nil {
		return err
	}
	if evictErr == nil && float64(stayed) > coldShare*float64(size) {
		evictErr = fmt.Errorf("%s of %s stayed in the page cache", bytes(stayed), bytes(size))
	}
	if evictErr != nil {
		e.Serving, e.Redundant, e.Replayed = 0, 0, 0
		return skipped{oneLine(evictErr)}
	}
	e.Detail = fmt.Sprintf("%s evicted, %s stayed; times from its start", bytes(size-stayed), bytes(stayed))
	return nil
}

var (
	// startLine is what a member with data logs before it starts, with the last entry that it
	// knows to be committed.
	startLine = regexp.MustCompile(`"msg":"restarting local member"[^\n]*"commit-index":(\d+)`)
	// snapshotLine is what it logs of the snapshot that it has made or starts from.
	snapshotLine = regexp.MustCompile(`"snapshot-index":(\d+)`)
)

// replayed is how many committed entries a member read from its write-ahead log when it
// started last, as its log says; 0 where it does not.
func (s *site) replayed(member int) int64 {
	data, err := os.ReadFile(s.Members()[member].Log)
	if err != nil {
		return 0
	}
	return replayedEntries(data)
}

// replayedEntries are those of the last start in a member's log.
func replayedEntries(log []byte) int64 {
	starts := startLine.FindAllSubmatchIndex(log, -1)
	if len(starts) == 0 {
		return 0
	}
	last := starts[len(starts)-1]
	snapshots := snapshotLine.FindAllSubmatch(log[:last[0]], -1)
	if len(snapshots) == 0 {
		return 0
	}
	commit, err1 := strconv.ParseInt(string(log[last[2]:last[3]]), 10, 64)
	snapshot, err2 := strconv.ParseInt(string(snapshots[len(snapshots)-1][1]), 10, 64)
	if err1 != nil || err2 != nil {
		return 0
	}
	return max(0, commit-snapshot)
}
