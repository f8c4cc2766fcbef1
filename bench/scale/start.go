package scale

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

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
	// startLine is what a member logs before it starts: one with data, with the last entry that
	// it knows to be committed, or a new one.
	startLine = regexp.MustCompile(`"msg":"(?:restarting local member"[^\n]*"commit-index":(\d+)|starting local member")`)
	// snapshotLine is what it logs of a snapshot, or of a start without one.
	snapshotLine = regexp.MustCompile(`"msg":"(No snapshot found|[^"]*"[^\n]*"snapshot-index":(\d+))`)
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
	if last[2] < 0 { // a new member has no log
		return 0
	}
	snapshot, ok := lastSnapshot(log[:last[0]])
	commit, err := strconv.ParseInt(string(log[last[2]:last[3]]), 10, 64)
	if err != nil || !ok {
		return 0
	}
	return max(0, commit-snapshot)
}

// lastSnapshot is the index of the snapshot that a member has made or started from last, 0
// where it started without one. It is not ok where the log does not say.
func lastSnapshot(log []byte) (index int64, ok bool) {
	for _, m := range snapshotLine.FindAllSubmatch(log, -1) {
		if what := string(m[1]); strings.HasPrefix(what, "sending ") || strings.HasPrefix(what, "sent ") {
			continue // made for another member, and not kept
		}
		index, ok = 0, true
		if len(m[2]) > 0 {
			index, _ = strconv.ParseInt(string(m[2]), 10, 64)
		}
	}
	return index, ok
}

const (
	// fullLog is the share of the entries between two snapshots with which a log is called full.
	fullLog = 0.9
	// mostFilled bounds the entries of a full log, where snapshots are further apart.
	mostFilled = 100_000
	// fillRounds is how often a log is filled: the member may make a snapshot meanwhile.
	fillRounds = 5
)

// restartFullLog writes until the log of a follower, or the only member, has almost as many
// entries after its last snapshot as are possible. Then it kills the member and starts it.
// Times count from its start.
func restartFullLog(ctx context.Context, s *site, e *results.ScaleEvent, snapshotCount uint64) error {
	member, err := s.follower(ctx)
	if err != nil {
		return err
	}
	e.Member = s.name(member)
	want := fullLog * float64(min(snapshotCount, mostFilled))
	for range fillRounds {
		missing := want - float64(s.sinceSnapshot(ctx, member))
		if missing < fillWriters {
			break
		}
		if err := fillLog(ctx, s, member, uint64(missing)); err != nil {
			return err
		}
	}
	if err := s.Kill(member); err != nil {
		return err
	}
	start := time.Now()
	if err := s.Start(member); err != nil {
		return err
	}
	e.Detail = "times from its start"
	return measureRecovery(ctx, s, e, start, member)
}

// sinceSnapshot is how many entries a member has applied since its last snapshot, which its
// log says; 0 where that is not known.
func (s *site) sinceSnapshot(ctx context.Context, member int) int64 {
	st, err := pb.NewMaintenanceClient(s.conns[member]).Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return 0
	}
	data, err := os.ReadFile(s.Members()[member].Log)
	if err != nil {
		return 0
	}
	snapshot, _ := lastSnapshot(data)
	return max(0, int64(st.RaftAppliedIndex)-snapshot)
}
