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
	for log, want := range map[string]int64{
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
