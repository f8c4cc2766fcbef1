package scale

import "testing"

// The entries that a member read at its last start are those after its snapshot.
func TestReplayedEntries(t *testing.T) {
	t.Parallel()
	const (
		from  = `{"msg":"Skipping snapshot backend","consistent-index":9636,"snapshot-index":5001}` + "\n"
		start = `{"msg":"restarting local member","cluster-id":"8","local-member-id":"7","commit-index":9641}` + "\n"
		later = `{"msg":"triggering snapshot","local-member-snapshot-index":5001}` + "\n" + `{"msg":"saved snapshot to disk","snapshot-index":10001}` + "\n"
	)
	const fresh = `{"msg":"starting local member","local-member-id":"3f","cluster-id":"8"}` + "\n" // in the place of another one
	const none = `{"msg":"No snapshot found. Recovering WAL from scratch!"}` + "\n"
	for log, want := range map[string]int64{
		none + start:         9641,
		from + start + fresh: 0,
		fresh + none + start: 9641,
		"":                   0,
		start:                0,
		from + start + later: 4640,
		from + start + later + `{"msg":"restarting local member","commit-index":10462}`: 461,
	} {
		if got := replayedEntries([]byte(log)); got != want {
			t.Errorf("%d entries, want %d:\n%s", got, want, log)
		}
	}
}

// Since 3.6, a follower that misses more than the entries that etcd keeps needs a snapshot.
func TestLogEntries(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]uint64{"3.5.21": 16_000, "": 16_000, "3.6.14": 6_000, "3.10.0-rc.1": 6_000, "4.0.0": 6_000} {
		if got := logEntries(version, 10_000); got != want {
			t.Errorf("%q: %d entries, want %d", version, got, want)
		}
	}
}

// The snapshot of a member is the one that it keeps, and not one that it sends to another.
func TestLastSnapshot(t *testing.T) {
	t.Parallel()
	const (
		none  = `{"msg":"No snapshot found. Recovering WAL from scratch!"}` + "\n"
		saved = `{"msg":"saved snapshot to disk","snapshot-index":10004}` + "\n"
		sent  = `{"msg":"sending database snapshot","snapshot-index":17517,"remote-peer-id":"7e"}` + "\n" + `{"msg":"sent database snapshot","snapshot-index":17517}` + "\n"
	)
	for log, want := range map[string]struct {
		index int64
		ok    bool
	}{
		"":                  {0, false},
		sent:                {0, false},
		none:                {0, true},
		none + saved + sent: {10004, true},
	} {
		if index, ok := lastSnapshot([]byte(log)); index != want.index || ok != want.ok {
			t.Errorf("%d, %v, want %v:\n%s", index, ok, want, log)
		}
	}
}
