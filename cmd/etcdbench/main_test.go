package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

func TestMain(m *testing.M) {
	testscript.Main(workloadstest.Waiting{M: m}, map[string]func(){"etcdbench": main, "clockagent": clockAgent})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	// "go build" of another etcd version needs the real caches.
	names := []string{"GOPATH", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GONOSUMDB"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	settings := strings.Split(string(out), "\n") // a line for each name
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			for i, name := range names {
				e.Setenv(name, strings.TrimSpace(settings[i]))
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond == "mount" {
				return canMount(), nil
			}
			if cond == "ssh" {
				return hasSSH(), nil
			}
			if cond == "slurm" {
				return hasSlurm(), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"cluster":    cmdCluster,
			"certs":      cmdCerts,
			"http":       cmdHTTP,
			"count":      cmdCount,
			"put":        cmdPut,
			"jq":         cmdField,
			"signal":     cmdSignal,
			"mounted":    cmdMounted,
			"noproc":     cmdNoProcess,
			"oneline":    cmdOneLine,
			"exits":      cmdExits,
			"saverun":    cmdSaveRun,
			"outages":    cmdOutages,
			"others":     cmdOthers,
			"liar":       cmdLiar,
			"interrupts": cmdInterrupts,
			"slurm":      cmdSlurm,
			"ssh":        cmdSSH,
		},
	})
}

// cluster NAME [FLAG=VALUE...] starts a member and sets $NAME to its endpoint.
func cmdCluster(ts *testscript.TestScript, neg bool, args []string) {
	s := cluster.DefaultSettings()
	s.Members, s.UnsafeNoFsync = 1, true
	s.DataDir, s.LogDir = ts.MkAbs("cluster-"+args[0]), ts.MkAbs("cluster-"+args[0]+"-logs")
	s.EtcdFlags = append(s.EtcdFlags, args[1:]...)
	ts.Check(os.MkdirAll(s.DataDir, 0o700))
	c, err := cluster.StartInProcess(context.Background(), s)
	ts.Check(err)
	ts.Defer(func() { _ = c.Stop() })
	ts.Setenv(args[0], c.Members()[0].Endpoint)
}

// put ENDPOINT KEY VALUE writes a key; "put ENDPOINT auth NAME PASSWORD" turns
// authentication on.
func cmdPut(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pool, err := transport.Dial(ctx, transport.Options{Endpoints: args[:1], Conns: 1, Timeout: time.Second})
	ts.Check(err)
	defer pool.Close()
	conn := pool.Conns()[0]
	if args[1] != "auth" {
		_, err = pb.NewKVClient(conn).Put(ctx, &pb.PutRequest{Key: []byte(args[1]), Value: []byte(args[2])})
		ts.Check(err)
		return
	}
	auth := pb.NewAuthClient(conn)
	_, err = auth.UserAdd(ctx, &pb.AuthUserAddRequest{Name: "root", Password: "rootpass", Options: nil})
	ts.Check(err)
	_, err = auth.UserGrantRole(ctx, &pb.AuthUserGrantRoleRequest{User: "root", Role: "root"})
	ts.Check(err)
	_, err = auth.AuthEnable(ctx, &pb.AuthEnableRequest{})
	ts.Check(err)
}

// others ENDPOINT writes all the time until the script ends.
func cmdOthers(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithCancel(context.Background())
	pool, err := transport.Dial(ctx, transport.Options{Endpoints: args[:1], Conns: 1, Timeout: time.Second})
	ts.Check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_, _ = pb.NewKVClient(pool.Conns()[0]).Put(ctx, &pb.PutRequest{Key: []byte("others"), Value: []byte("v")})
		}
	}()
	ts.Defer(func() { cancel(); <-done; pool.Close() })
}

// liar NAME ENDPOINT LIE starts a proxy before a member, which answers one request falsely, and
// sets $NAME to its address.
func cmdLiar(ts *testscript.TestScript, neg bool, args []string) {
	lie := map[string]transporttest.Lie{"drop": transporttest.Drop, "stale": transporttest.StaleRead}[args[2]]
	liar, err := transporttest.NewLiar(args[1], transporttest.LiarOptions{Lie: lie, Every: 200, Seed: 1, Once: true})
	ts.Check(err)
	ts.Defer(liar.Stop)
	ts.Setenv(args[0], liar.Address)
}

// count ENDPOINT PREFIX N checks how many keys there are.
func cmdCount(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	pool, err := transport.Dial(ctx, transport.Options{Endpoints: args[:1], Conns: 1, Timeout: time.Second})
	ts.Check(err)
	defer pool.Close()
	end := []byte(args[1])
	end[len(end)-1]++
	r, err := pb.NewKVClient(pool.Conns()[0]).Range(ctx, &pb.RangeRequest{Key: []byte(args[1]), RangeEnd: end, CountOnly: true})
	ts.Check(err)
	if fmt.Sprint(r.Count) != args[2] {
		ts.Fatalf("%d keys under %s, want %s", r.Count, args[1], args[2])
	}
}

// jq FILE PATH WANT compares a field of a JSON document; PATH is separated by
// slashes, and "operations/put" finds the operation of that name.
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	var doc any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &doc))
	for _, key := range strings.Split(args[1], "/") {
		switch v := doc.(type) {
		case map[string]any:
			doc = v[key]
		case []any:
			doc = findOp(v, key)
		}
	}
	if got := fmt.Sprint(doc); (got == args[2]) == neg {
		ts.Fatalf("%s is %s, want %s", args[1], got, args[2])
	}
}

// findOp finds what was measured of an operation, or the element of a number.
func findOp(list []any, key string) any {
	for i, e := range list {
		m, _ := e.(map[string]any)
		if fmt.Sprint(i) == key || m["op"] == key && m["phase"] == "measure" || m["code"] == key {
			return e
		}
	}
	return nil
}

// signal NAME[,NAME] WAIT-FOR-FILE ARGS... runs etcdbench, waits until the file
// has some content, sends the signals, and checks the exit code in $CODE.
func cmdSignal(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command("etcdbench", args[3:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR"))
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	ts.Check(cmd.Start())
	for deadline := time.Now().Add(60 * time.Second); ; {
		if data, _ := os.ReadFile(ts.MkAbs(args[1])); strings.Count(string(data), "\n") >= 3 {
			break
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			ts.Fatalf("%s did not appear: %s", args[1], out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, name := range strings.Split(args[0], ",") {
		if err := cmd.Process.Signal(signals[name]); !errors.Is(err, os.ErrProcessDone) {
			ts.Check(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Wait()
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[2] {
		ts.Fatalf("exit code %s, want %s: %s", got, args[2], out.String())
	}
}

// noproc checks that no process with the script's directory in its arguments is
// left after a moment.
func cmdNoProcess(ts *testscript.TestScript, neg bool, args []string) {
	work := ts.Getenv("WORK") + "/"
	for deadline := time.Now().Add(15 * time.Second); ; {
		left := ""
		files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, f := range files {
			data, _ := os.ReadFile(f)
			line := strings.ReplaceAll(string(data), "\x00", " ")
			if strings.Contains(line, work) && (strings.Contains(line, "--data-dir") || strings.Contains(line, "agent --join")) {
				left = line
			}
		}
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("left behind: %s", left)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// exits CODE PROGRAM ARGS... runs a program and checks its exit code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// oneline checks that standard error is a single line: no stack, no usage.
func cmdOneLine(ts *testscript.TestScript, neg bool, args []string) {
	text := strings.TrimRight(ts.ReadFile("stderr"), "\n")
	lines := strings.Split(text, "\n")
	if strings.HasPrefix(lines[0], "starting ") {
		lines = lines[1:]
	}
	if len(lines) != 1 || !strings.HasPrefix(lines[0], "etcdbench: ") {
		ts.Fatalf("standard error is not one line of ours:\n%s", text)
	}
}

// http NAME starts a server that is not etcd.
func cmdHTTP(ts *testscript.TestScript, neg bool, args []string) {
	s := httptest.NewServer(http.NotFoundHandler())
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.Listener.Addr().String())
}

// certs writes good.crt, good.key and expired.crt.
func cmdCerts(ts *testscript.TestScript, neg bool, args []string) {
	for name, until := range map[string]time.Time{"good": time.Now().Add(time.Hour), "expired": time.Now().Add(-time.Hour)} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		ts.Check(err)
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
			NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		}
		der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
		ts.Check(err)
		keyDER, err := x509.MarshalECPrivateKey(key)
		ts.Check(err)
		write := func(file, kind string, der []byte) {
			ts.Check(os.WriteFile(ts.MkAbs(file), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		}
		write(name+".crt", "CERTIFICATE", der)
		write(name+".key", "EC PRIVATE KEY", keyDER)
	}
}

// The exit codes and the errors of results do not need a cluster.
func TestVerdict(t *testing.T) {
	op := results.Operation{Phase: "measure", Op: "put", Offered: 1, Completed: 1}
	warm, failed := op, results.Operation{Phase: "measure", Op: "put", Offered: 1, Failed: 1}
	warm.Phase = "warmup"
	event := results.Operation{Phase: "measure", Op: "event", Arrived: true, Offered: 1, Completed: 1}
	for name, c := range map[string]struct {
		run  results.Run
		want int
	}{
		"completed":   {results.Run{Outcome: results.Completed, Operations: []results.Operation{op}}, 0},
		"interrupted": {results.Run{Outcome: results.Interrupted, Operations: []results.Operation{op}}, exitInterrupted},
		"invalid":     {results.Run{Outcome: results.Completed, Operations: []results.Operation{op}, Validity: results.Validity{Verdict: results.Invalid}}, exitInvalid},
		"missed":      {results.Run{Outcome: results.Completed, Operations: []results.Operation{op}, Target: results.Target{Verdict: results.TargetMissed}}, exitFail},
		"undecided":   {results.Run{Outcome: results.Completed, Operations: []results.Operation{op}, Target: results.Target{Verdict: results.TargetUndecided}}, exitInconclusive},
		"violated":    {results.Run{Outcome: results.Completed, Operations: []results.Operation{op}, Proof: &results.Proof{Verdict: results.Violated}}, exitFail},
		"nothing":     {results.Run{Outcome: results.Completed}, exitFailed},
		"only the warm-up": {
			results.Run{Outcome: results.Completed, Operations: []results.Operation{warm, failed}, Proof: &results.Proof{Verdict: results.Proved}}, exitFailed,
		},
		"only events of before": {results.Run{Outcome: results.Completed, Operations: []results.Operation{failed, event}}, exitFailed},
		"nothing but events":    {results.Run{Outcome: results.Completed, Operations: []results.Operation{event}}, 0},
	} {
		c.run.Plan.Phases = []results.PlanPhase{{Name: "warmup", Warmup: true}, {Name: "measure"}}
		if got := exitCode(context.Background(), runVerdict(&c.run, true)); got != c.want {
			t.Errorf("%s: exit code %d, want %d", name, got, c.want)
		}
	}
}

// saverun NAME MEDIAN VALIDITY saves a result of 1,000 puts of that median.
func cmdSaveRun(ts *testscript.TestScript, neg bool, args []string) {
	d, err := time.ParseDuration(args[1])
	ts.Check(err)
	h := results.NewHistogram()
	ts.Check(h.RecordValues(int64(d), 1000))
	l, err := results.NewLatency(h)
	ts.Check(err)
	dir, err := results.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	run := &results.Run{
		Schema: results.Schema, ID: args[0], Outcome: results.Completed, Validity: results.Validity{Verdict: args[2]},
		Plan:       results.Plan{Workload: "put", Phases: []results.PlanPhase{{Name: "measure", Duration: 10 * time.Second}}},
		Phases:     []results.Phase{{Name: "measure", Length: 10 * time.Second}},
		Operations: []results.Operation{{Phase: "measure", Op: "put", Write: true, Offered: 1000, Completed: 1000, Throughput: 100, ResponseTime: l, ServiceTime: l}},
	}
	if args[2] != results.Invalid {
		run.Plan.Thresholds = []string{"put.failed == 0"}
	}
	ts.Check(dir.WriteStart(run))
	ts.Check(dir.WriteRun(run))
	ts.Check(dir.Close())
}
