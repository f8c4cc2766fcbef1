package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// running is a member that other applications use, too.
type running struct {
	t        *testing.T
	endpoint string
	conn     grpc.ClientConnInterface
	kv       pb.KVClient
}

// startRunning starts a member with further flags of etcd's own. It stops with the test.
func startRunning(t *testing.T, flags ...string) *running {
	t.Helper()
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync, s.EtcdFlags = 1, true, flags
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	r := &running{t: t, endpoint: c.Members()[0].Endpoint}
	pool, err := transport.Dial(context.Background(), transport.Options{Endpoints: []string{r.endpoint}, Conns: 1, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	r.conn = pool.Conns()[0]
	r.kv = pb.NewKVClient(r.conn)
	return r
}

func (r *running) put(key, value string) {
	r.t.Helper()
	if _, err := r.kv.Put(context.Background(), &pb.PutRequest{Key: []byte(key), Value: []byte(value)}); err != nil {
		r.t.Error(err)
	}
}

// keys returns every key of the store, and the store's revision.
func (r *running) keys() (map[string]*mvccpb.KeyValue, int64) {
	r.t.Helper()
	all, err := r.kv.Range(r.t.Context(), &pb.RangeRequest{Key: []byte{0}, RangeEnd: []byte{0}})
	if err != nil {
		r.t.Fatal(err)
	}
	keys := map[string]*mvccpb.KeyValue{}
	for _, kv := range all.Kvs {
		keys[string(kv.Key)] = kv
	}
	return keys, all.Header.Revision
}

func (r *running) leases() map[int64]bool {
	r.t.Helper()
	all, err := pb.NewLeaseClient(r.conn).LeaseLeases(r.t.Context(), &pb.LeaseLeasesRequest{})
	if err != nil {
		r.t.Fatal(err)
	}
	ids := map[int64]bool{}
	for _, l := range all.Leases {
		ids[l.ID] = true
	}
	return ids
}

// spec is a run of some operations against the member.
func (r *running) spec(scenario, prefix string, operations uint64) runner.Spec {
	s := runner.Spec{Scenario: scenario, Prefix: prefix, AllowExisting: true, ServerMetrics: new(false)}
	s.Load.Warmup, s.Load.Total, s.Load.Clients, s.Load.Conns = new(time.Duration(0)), &operations, new(4), new(2)
	s.Cluster.Endpoints = []string{r.endpoint}
	return s
}

func (r *running) run(s runner.Spec, o runner.Options) *results.Run {
	r.t.Helper()
	run, err := runner.Run(r.t.Context(), s, o)
	if err != nil {
		r.t.Fatal(err)
	}
	if run.Outcome != results.Completed {
		r.t.Fatalf("outcome %s: %s", run.Outcome, run.Reason)
	}
	return run
}

// keyOf is the key of a number as the workloads name it.
func keyOf(prefix string, number int) string {
	const size = 48
	return fmt.Sprintf("%s%0*d", prefix, size-len(prefix), number)
}

// The keys of another application survive every run under their prefix. A run that
// only reads leaves the store's revision as it was.
func TestForeignKeysStay(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	const pods = "/registry/pods/"
	for i := range 30 {
		r.put(fmt.Sprintf("%sdefault/pod-%d", pods, i), "theirs")
	}
	_, revision := r.keys()
	reads := r.spec("range", pods, 50)
	reads.Workload = map[string]string{"existing": "true", "span": "prefix"}
	run := r.run(reads, runner.Options{})
	after, then := r.keys()
	if len(after) != 30 || then != revision || run.Operations[0].Completed != 50 {
		t.Errorf("a run that reads left %d of 30 keys and wrote %d times, read %d times", len(after), then-revision, run.Operations[0].Completed)
	}

	// Ten keys are in the way of the run's own.
	for i := range 10 {
		r.put(keyOf(pods, i), "theirs")
	}
	before, _ := r.keys()
	writes := r.spec("put", pods, 200)
	writes.Workload = map[string]string{"keys": "sequential"}
	run = r.run(writes, runner.Options{})
	after, _ = r.keys()
	for key, kv := range before {
		if after[key] == nil || after[key].CreateRevision != kv.CreateRevision {
			t.Errorf("key %q of another application was removed", key)
		}
	}
	if len(after) != len(before) {
		t.Errorf("%d keys, want the %d of another application", len(after), len(before))
	}
	if len(run.Warnings) > 0 {
		t.Errorf("warnings %v", run.Warnings)
	}
}

// during is an observer that does something once in the middle of the load.
type during struct {
	bench.Observer
	do   func()
	done bool
}

func (d *during) Interval(*results.Interval) error {
	if !d.done {
		d.done = true
		d.do()
	}
	return nil
}

func (*during) Start(*results.Run) error  { return nil }
func (*during) Finish(*results.Run) error { return nil }

// What others write under the prefix while the run is under way stays and is
// reported, also where they use the names of the run's own keys.
func TestForeignKeysOfTheTimeStay(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	const prefix = "/mine/"
	s := r.spec("put", prefix, 0)
	s.Load.Total, s.Load.Duration, s.Load.Rate = nil, new(2500*time.Millisecond), new(100.0)
	s.Workload, s.Verify = map[string]string{"keys": "sequential"}, new(true)
	theirs := []string{prefix + "other", keyOf(prefix, 3), keyOf(prefix, 90_000), prefix + "1"}
	write := &during{do: func() {
		for _, key := range theirs {
			r.put(key, "theirs")
		}
	}}
	run := r.run(s, runner.Options{Observers: []bench.Observer{write}})
	if run.Proof == nil || run.Proof.Found > 0 {
		t.Errorf("proof %+v", run.Proof)
	}
	after, _ := r.keys()
	for _, key := range theirs {
		if kv := after[key]; kv == nil || string(kv.Value) != "theirs" {
			t.Errorf("key %q of another client is gone or changed: %v", key, kv)
		}
	}
	if len(after) != len(theirs) {
		t.Errorf("%d keys are left, want those %d of another client", len(after), len(theirs))
	}
	if len(run.Warnings) != 1 || run.Warnings[0].Code != "foreign-keys" || !strings.Contains(run.Warnings[0].Message, "4 keys") {
		t.Errorf("warnings %v", run.Warnings)
	}
}

// A run claims its prefix under a lease, and gives it up at the end. Meanwhile, another
// run with the prefix, or with one below or above it, is refused, writes nothing and names the
// owner. A run that only reads needs no claim.
func TestPrefixIsClaimed(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	const prefix = "/mine/"
	s := r.spec("put", prefix, 0)
	s.Load.Total, s.Load.Duration, s.Load.Rate = nil, new(1500*time.Millisecond), new(50.0)
	meanwhile := &during{do: func() {
		before, _ := r.keys()
		leased := 0
		for _, kv := range before {
			if kv.Lease != 0 {
				leased++
			}
		}
		if leases := r.leases(); leased != 1 || len(leases) != 1 {
			t.Errorf("%d keys with a lease, leases %v, want one", leased, leases)
		}
		host, _ := os.Hostname()
		for _, other := range []string{prefix, prefix + "below/", "/mi"} {
			spec := r.spec("put", other, 10)
			spec.AllowExisting = true
			_, err := runner.Run(t.Context(), spec, runner.Options{})
			if _, ok := errors.AsType[*runner.SpecError](err); !ok || !strings.Contains(err.Error(), "in use by run first of") || !strings.Contains(err.Error(), host) {
				t.Errorf("a second run under %s: %v", other, err)
			}
		}
		if leases := r.leases(); len(leases) != 1 {
			t.Errorf("refused runs left leases %v", leases)
		}
		reads := r.spec("range", prefix, 10)
		reads.Workload = map[string]string{"existing": "true", "span": "prefix"}
		r.run(reads, runner.Options{})
	}}
	run := r.run(s, runner.Options{ID: "first", Observers: []bench.Observer{meanwhile}})
	if keys, _ := r.keys(); !meanwhile.done || len(keys) != 0 || len(r.leases()) != 0 || len(run.Warnings) > 0 {
		t.Errorf("done %v, keys %v and leases %v are left, warnings %v", meanwhile.done, keys, r.leases(), run.Warnings)
	}
	r.run(r.spec("put", prefix, 10), runner.Options{})
}

// A run says of the space that its deleted keys keep, and of an alarm that it leaves.
func TestSpaceAndAlarmsAreReported(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	s := r.spec("put", "/space/", 100)
	s.Workload = map[string]string{"val-size": "1000000", "keys": "sequential"}
	run := r.run(s, runner.Options{})
	if len(run.Warnings) != 1 || run.Warnings[0].Code != "space" || !strings.Contains(run.Warnings[0].Message, "etcdctl defrag") {
		t.Errorf("warnings %v", run.Warnings)
	}
	s = r.spec("put", "/alarm/", 0)
	s.Load.Total, s.Load.Duration, s.Load.Rate = nil, new(20*time.Second), new(50.0)
	raise := &during{do: func() {
		_, err := pb.NewMaintenanceClient(r.conn).Alarm(context.Background(), &pb.AlarmRequest{Action: pb.AlarmRequest_ACTIVATE, Alarm: pb.AlarmType_NOSPACE})
		if err != nil {
			t.Error(err)
		}
	}}
	run, err := runner.Run(t.Context(), s, runner.Options{Observers: []bench.Observer{raise}})
	if err == nil || run == nil || run.Outcome != results.Failed || !strings.Contains(run.Reason, "raised an alarm") || !run.Warned("alarm") {
		t.Errorf("%v, %+v", err, run)
	}
}

// Whatever the workload, a run leaves neither keys nor leases of its own, and all of
// others', and writes what it deletes in no other place.
func TestRunsLeaveNothing(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	r.put("/other", "theirs")
	lease, err := pb.NewLeaseClient(r.conn).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{TTL: 3600})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range workloads.All() {
		if e.Storage != workloads.NoLayer {
			continue // needs no cluster
		}
		s := r.spec(e.Name, "/own/", 60)
		s.AllowExisting = false
		s.Workload = map[string]string{}
		if _, params, _ := e.Configure(nil); params.Lookup("key-space-size") != nil {
			s.Workload["key-space-size"] = "500"
		}
		switch e.Name {
		case "lease-expire":
			s.Load.Total = new(uint64(4))
		case "watch-catchup":
			s.Workload["past-events"], s.Load.Total = "500", new(uint64(5))
		case "lease-keepalive", "lease-revoke":
			s.Workload["leases"] = "50"
		case "txn-cas":
			s.Workload["verbs"], s.Workload["keys-per-lease"] = "create,update,delete", "7"
		}
		run := r.run(s, runner.Options{})
		if left, _ := r.keys(); len(left) != 1 || left["/other"] == nil {
			t.Errorf("%s: %d keys are left: %v", e.Name, len(left), left)
		}
		if leases := r.leases(); len(leases) != 1 || !leases[lease.ID] {
			t.Errorf("%s: leases %v are left", e.Name, leases)
		}
		if len(run.Warnings) > 0 {
			t.Errorf("%s: warnings %v", e.Name, run.Warnings)
		}
	}
}

// A workload that removes keys is refused where it would remove one that exists.
func TestRemovalOfExistingKeysIsRefused(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	const prefix = "/mine/"
	r.put(prefix+"else", "theirs")
	r.put(keyOf(prefix, 3), "theirs")
	before, revision := r.keys()
	for name, params := range map[string]map[string]string{
		"delete": nil, "lease-attach": nil, "lease-revoke": nil, "lease-expire": nil, "txn-cas": {"verbs": "delete"}, "txn-cas leases": {"keys-per-lease": "5"},
	} {
		name, _, _ = strings.Cut(name, " ")
		s := r.spec(name, prefix, 10)
		s.Workload = params
		_, err := runner.Run(t.Context(), s, runner.Options{})
		if err == nil || !strings.Contains(err.Error(), "exists already: choose another --prefix") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after, then := r.keys(); len(after) != len(before) || then != revision {
		t.Errorf("%d of %d keys, %d writes", len(after), len(before), then-revision)
	}
	// Keys that are not in its way are no reason.
	s := r.spec("delete", prefix, 10)
	s.Workload = map[string]string{"key-space-size": "3"}
	r.run(s, runner.Options{})
	if after, _ := r.keys(); len(after) != len(before) {
		t.Errorf("%d of %d keys", len(after), len(before))
	}
}

// Leases of others stay, also those with IDs like the ones that runs with the same
// prefix used to give theirs.
func TestForeignLeasesStay(t *testing.T) {
	t.Parallel()
	r := startRunning(t)
	const prefix = "/shared/"
	h := fnv.New32a()
	h.Write([]byte(prefix))
	for n := range int64(20) {
		id := int64(h.Sum32()|1)&0x7fffffff<<32 | (n + 5)
		if _, err := pb.NewLeaseClient(r.conn).LeaseGrant(t.Context(), &pb.LeaseGrantRequest{ID: id, TTL: 3600}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.kv.Put(t.Context(), &pb.PutRequest{Key: fmt.Appendf(nil, "/theirs/%d", n), Lease: id}); err != nil {
			t.Fatal(err)
		}
	}
	for name, params := range map[string]map[string]string{
		"lease-grant": nil, "lease-keepalive": {"leases": "30"}, "lease-revoke": {"leases": "30"}, "lease-attach": {"keys-per-lease": "5"}, "lock": nil,
	} {
		s := r.spec(name, prefix, 40)
		s.Workload = params
		run := r.run(s, runner.Options{})
		if op := run.Operations[0]; op.Failed > 0 {
			t.Errorf("%s: %d operations failed: %v", name, op.Failed, op.Errors)
		}
		if keys, _ := r.keys(); len(r.leases()) != 20 || len(keys) != 20 {
			t.Fatalf("%s left %d of 20 leases of others and %d of their 20 keys", name, len(r.leases()), len(keys))
		}
	}
}

// A result says that any server's certificate was accepted.
func TestUnverifiedServersAreRecorded(t *testing.T) {
	t.Parallel()
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync, s.TLS = 1, true, true
	s.DataDir, s.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	r := &running{t: t, endpoint: "https://" + c.Members()[0].Endpoint}
	spec := r.spec("put", "/tls/", 10)
	spec.Cluster.Remote.InsecureSkipVerify = true
	run := r.run(spec, runner.Options{})
	data, err := json.Marshal(run.Cluster)
	if err != nil || !strings.Contains(string(data), `"insecure_skip_tls_verify":true`) {
		t.Errorf("%s, %v", data, err)
	}
}

// Whichever member of a running cluster is named first, the same members have the
// connections that do not divide evenly.
func TestOrderOfEndpoints(t *testing.T) {
	settings := cluster.DefaultSettings()
	settings.Members, settings.UnsafeNoFsync = 3, true
	settings.DataDir, settings.LogDir = t.TempDir(), t.TempDir()
	c, err := cluster.StartInProcess(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Stop() })
	endpoints := cluster.Endpoints(c)
	conns := func(order []string) map[string]int {
		s := runner.Spec{Prefix: "/order/", ServerMetrics: new(false)}
		s.Load.Warmup, s.Load.Total, s.Load.Clients, s.Load.Conns = new(time.Duration(0)), new(uint64(20)), new(4), new(4)
		s.Cluster.Endpoints = order
		run, err := runner.Run(t.Context(), s, runner.Options{})
		if err != nil {
			t.Fatal(err)
		}
		byMember := map[string]int{}
		for _, m := range run.Cluster.Members {
			byMember[m.ID] = m.Conns
		}
		return byMember
	}
	want := conns(endpoints)
	for range 2 {
		endpoints = append(endpoints[1:], endpoints[0])
		if got := conns(slices.Clone(endpoints)); len(got) != 3 || !maps.Equal(got, want) {
			t.Errorf("connections %v, in another order %v", want, got)
		}
	}
}
