package scale

import (
	"errors"
	"os"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/results"
)

// A cluster that is restored from the file of a snapshot has its objects and its revision,
// and not what was written afterwards. Before that, a restart reads the log that was filled.
func TestRestoreFromFile(t *testing.T) {
	t.Parallel()
	const objects, entries = 600, 500
	var s *site
	t.Cleanup(func() { // after the one that stops the cluster
		if _, err := os.Stat(s.SnapshotFile()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file is left: %v", err)
		}
	})
	s = startSite(t, objects)
	ctx := t.Context()

	var full results.ScaleEvent
	if err := restartFullLog(ctx, s, &full, objects+entries); err != nil || full.Replayed < fullLog*(objects+entries)-fillWriters {
		t.Errorf("%d entries read, want some %d: %v", full.Replayed, objects+entries, err)
	}

	var early results.ScaleEvent
	if err := skippable(results.ScaleRestore, restore).do(ctx, s, &early); err != nil || early.Skipped == "" || !s.Running(0) {
		t.Errorf("without a file: %+v, %v", early, err)
	}
	for range 2 { // a restored cluster can be restored
		restoreOnce(t, s, objects)
	}
}

func restoreOnce(t *testing.T, s *site, objects int64) {
	ctx := t.Context()
	var saved results.ScaleEvent
	if err := snapshot(ctx, s, &saved); err != nil || saved.Bytes < objects*1000 {
		t.Fatalf("a file of %d bytes: %v", saved.Bytes, err)
	}
	kv := pb.NewKVClient(s.conns[0])
	later := []byte("/x/later")
	if _, err := kv.Put(ctx, &pb.PutRequest{Key: later}); err != nil {
		t.Fatal(err)
	}
	var restored results.ScaleEvent
	if err := restore(ctx, s, &restored); err != nil {
		t.Fatal(err)
	}
	if restored.Bytes != saved.Bytes || restored.Restored <= 0 ||
		restored.Serving <= restored.Restored || restored.Redundant < restored.Serving {
		t.Errorf("%+v", restored)
	}
	now, err := s.content(ctx, 0)
	if err != nil || now.objects != objects || now.revision != s.saved.revision || now.cluster == s.saved.cluster {
		t.Errorf("%+v after %+v: %v", now, s.saved, err)
	}
	if r, err := kv.Range(ctx, &pb.RangeRequest{Key: later}); err != nil || r.Count != 0 {
		t.Errorf("what was written after the snapshot is there: %v, %v", r, err)
	}
}

// What a restored cluster lacks is an error.
func TestRestoredContent(t *testing.T) {
	t.Parallel()
	saved := content{cluster: 1, revision: 100, objects: 7}
	for want, restored := range map[string]content{
		"":                   {cluster: 2, revision: 103, objects: 7},
		"not formed a new":   {cluster: 1, revision: 103, objects: 7},
		"the revision is 99": {cluster: 2, revision: 99, objects: 7},
		"has 6 objects, but": {cluster: 2, revision: 100, objects: 6},
		"has 8 objects, but": {cluster: 2, revision: 100, objects: 8},
	} {
		err := saved.check(restored)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", restored, err, want)
		}
	}
}

// A violated proof is a finding, which ends the ladder; one that is incomplete is none.
func TestViolationIsFinding(t *testing.T) {
	t.Parallel()
	r := results.ScaleRung{Dir: "rung-02"}
	addProof(&r, &results.Run{}, "x/rung-02/steady")
	addProof(&r, &results.Run{Proof: &results.Proof{Verdict: results.Incomplete}}, "x/rung-02/steady")
	if len(r.Findings) > 0 || r.Violations > 0 {
		t.Errorf("%+v", r)
	}
	addProof(&r, &results.Run{Proof: &results.Proof{Verdict: results.Violated, Found: 3}}, "x/rung-02/steady")
	if r.Violations != 3 || len(r.Findings) != 1 || r.Findings[0] != "proof violated: 3 violations, see rung-02/steady" {
		t.Errorf("%+v", r)
	}
}
