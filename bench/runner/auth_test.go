package runner_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/authpb"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// usesTLS turns authentication on: user "bench" may read and write under a prefix and
// nothing else. From here on, the test's own requests are root's.
func (r *running) usesTLS(prefix string) {
	r.t.Helper()
	auth, ctx := pb.NewAuthClient(r.conn), r.t.Context()
	check := func(_ any, err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	end := []byte(prefix)
	end[len(end)-1]++
	check(auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "root", Password: "rootpass"}))
	check(auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"}))
	check(auth.RoleAdd(ctx, &pb.AuthRoleAddRequest{Name: "bench"}))
	check(auth.RoleGrantPermission(ctx, &pb.AuthRoleGrantPermissionRequest{Name: "bench", Perm: &authpb.Permission{
		PermType: authpb.Permission_READWRITE, Key: []byte(prefix), RangeEnd: end,
	}}))
	check(auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "bench", Password: "benchpass"}))
	check(auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "bench", Role: "bench"}))
	check(auth.AuthEnable(ctx, &pb.AuthEnableRequest{}))
	pool, err := transport.Dial(context.Background(), transport.Options{
		Endpoints: []string{r.endpoint}, Conns: 1, Timeout: 5 * time.Second, User: "root", Password: "rootpass",
	})
	check(nil, err)
	r.t.Cleanup(pool.Close)
	r.conn = pool.Conns()[0]
	r.kv = pb.NewKVClient(r.conn)
}

// benchSpec is a run by user "bench".
func (r *running) benchSpec(scenario, prefix string, operations uint64) (runner.Spec, runner.Options) {
	s := r.spec(scenario, prefix, operations)
	s.Cluster.Remote.User, s.AllowExisting = "bench", false
	return s, runner.Options{Password: "benchpass"}
}

// jwtFlag is etcd's flag for tokens that end after some seconds, whatever is done with
// them.
func jwtFlag(t *testing.T, ttl string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, block := range map[string]*pem.Block{
		"key": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, "pub": {Type: "PUBLIC KEY", Bytes: public},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "auth-token=jwt,pub-key=" + filepath.Join(dir, "pub") + ",priv-key=" + filepath.Join(dir, "key") + ",sign-method=RS256,ttl=" + ttl
}

// A token that ends is renewed, and no operation fails for it: tokens that end whatever
// is done with them, and tokens that end while nothing is done.
func TestTokensAreRenewed(t *testing.T) {
	t.Parallel()
	const prefix = "/mine/"
	t.Run("jwt", func(t *testing.T) {
		t.Parallel()
		r := startRunning(t, "bcrypt-cost=4", jwtFlag(t, "3s"))
		r.usesTLS(prefix)
		for _, name := range []string{"put", "watch-create", "lease-keepalive", "lock"} {
			s, o := r.benchSpec(name, prefix, 0)
			s.Load.Total, s.Load.Duration, s.Load.Rate = nil, new(4500*time.Millisecond), new(100.0)
			r.checkNoFailures(name, r.run(s, o))
		}
	})
	t.Run("simple", func(t *testing.T) {
		t.Parallel()
		r := startRunning(t, "bcrypt-cost=4", "auth-token-ttl=2")
		r.usesTLS(prefix)
		// Arrivals so far apart that the token has always ended.
		s, o := r.benchSpec("put", prefix, 3)
		s.Load.Rate, s.Load.Clients, s.Load.Conns = new(0.25), new(8), new(8)
		s.Verify = new(true)
		r.checkNoFailures("put", r.run(s, o))
		s, o = r.benchSpec("watch-catchup", prefix, 2)
		s.Load.Rate, s.Load.Clients = new(0.25), new(1)
		s.Workload = map[string]string{"past-events": "100", "key-space-size": "100", "get-rate": "0"}
		r.checkNoFailures("watch-catchup", r.run(s, o))
	})
}

func (r *running) checkNoFailures(name string, run *results.Run) {
	r.t.Helper()
	for _, op := range run.Operations {
		if op.Failed+op.TimedOut > 0 || op.Offered > 0 && op.Completed == 0 {
			r.t.Errorf("%s: %d of %d failed: %v", name, op.Failed, op.Offered, op.Errors)
		}
	}
	for _, w := range run.Warnings {
		r.t.Errorf("%s: warning %s: %s", name, w.Code, w.Message)
	}
	if keys, _ := r.keys(); len(keys) > 0 {
		r.t.Errorf("%s: %d keys are left", name, len(keys))
	}
}

// A user who may write under the prefix alone can run, and whatever needs more is one
// warning.
func TestUserOfThePrefixAlone(t *testing.T) {
	t.Parallel()
	const prefix = "/mine/"
	r := startRunning(t, "bcrypt-cost=4")
	r.put(prefix+"theirs", "value")
	r.put("/other", "value")
	r.usesTLS(prefix)
	s, o := r.benchSpec("put", prefix, 0)
	s.AllowExisting, s.AllowDisturbances = true, true
	s.Load.Total, s.Load.Duration = nil, new(time.Second)
	s.Workload = map[string]string{"compact-interval": "100ms", "key-space-size": "100"}
	run := r.run(s, o)
	if len(run.Warnings) != 1 || !strings.Contains(run.Warnings[0].Message, "compact: 1 of 1 attempts failed: etcdserver: permission denied") {
		t.Errorf("warnings %v", run.Warnings)
	}
	if keys, _ := r.keys(); len(keys) != 2 {
		t.Errorf("%d keys, want the 2 of others", len(keys))
	}
	for _, name := range []string{"lease-attach", "lock", "txn-cas", "delete"} {
		s, o := r.benchSpec(name, prefix, 50)
		s.AllowExisting = true
		run := r.run(s, o)
		if len(run.Warnings) > 0 || run.Operations[0].Failed > 0 {
			t.Errorf("%s: warnings %v, %+v", name, run.Warnings, run.Operations[0].Errors)
		}
		if keys, _ := r.keys(); len(keys) != 2 {
			t.Errorf("%s: %d keys, want the 2 of others", name, len(keys))
		}
	}
}
