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

// coldShare is the largest share of a member's files that may stay in the page cache for a cold
// restart.
const coldShare = 0.05

// restartCold stops a follower, or the only member, evicts its files from the page cache and
// starts it. Times count from its start. The step is skipped if the files stay in the cache.
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
	// startLine matches the log line before a member starts: a member with data, with the index
	// of the last committed entry that it knows, or a new member.
	startLine = regexp.MustCompile(`"msg":"(?:restarting local member"[^\n]*"commit-index":(\d+)|starting local member")`)
	// snapshotLine matches the log line about a snapshot, or about a start without one.
	snapshotLine = regexp.MustCompile(`"msg":"(No snapshot found|[^"]*"[^\n]*"snapshot-index":(\d+))`)
)

// replayed returns the number of committed entries that a member read from its write-ahead log
// at its last start, according to its log; 0 if it is unknown.
func (s *site) replayed(member int) int64 {
	data, err := os.ReadFile(s.Members()[member].Log)
	if err != nil {
		return 0
	}
	return replayedEntries(data)
}

// replayedEntries returns the number of replayed entries of the last start in a member's log.
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

// lastSnapshot returns the index of the last snapshot that a member has made or started from,
// or 0 if it started without one. ok is false if the log does not contain it.
func lastSnapshot(log []byte) (index int64, ok bool) {
	for _, m := range snapshotLine.FindAllSubmatch(log, -1) {
		if what := string(m[1]); strings.HasPrefix(what, "sending ") || strings.HasPrefix(what, "sent ") {
			continue // made for another member: etcd does not keep it
		}
		index, ok = 0, true
		if len(m[2]) > 0 {
			index, _ = strconv.ParseInt(string(m[2]), 10, 64)
		}
	}
	return index, ok
}

const (
	// fullLog is the share of the entries between two snapshots from which on a log counts as
	// full.
	fullLog = 0.9
	// maxFilled bounds the entries of a full log if the snapshots are further apart.
	maxFilled = 100_000
	// fillRounds is the largest number of attempts to fill a log: the member may make a
	// snapshot meanwhile.
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
	want := fullLog * float64(min(snapshotCount, maxFilled))
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

// sinceSnapshot returns the number of entries that a member has applied since its last
// snapshot, according to its log; 0 if it is unknown.
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
