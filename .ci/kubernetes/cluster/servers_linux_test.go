// Package cluster runs the manifests of distributed runs on Kubernetes: a kube-apiserver
// process, the Job controller of kube-controller-manager, and a small node agent that runs
// the containers of pods as processes of this machine.
package cluster

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/job"
)

// apiserverVariable makes this program kube-apiserver.
const apiserverVariable = "ETCDBENCH_TEST_APISERVER"

// token is that of the tests' user, a member of system:masters.
const token = "0123456789abcdef"

func TestMain(m *testing.M) {
	if os.Getenv(apiserverVariable) == "" {
		os.Exit(m.Run())
	}
	if app.NewAPIServerCommand().Execute() != nil {
		os.Exit(1)
	}
}

// buildProgram builds etcdbench as its image has it: without libraries.
func buildProgram(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("ETCDBENCH"); path != "" {
		return path
	}
	path := filepath.Join(t.TempDir(), "etcdbench")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, "./cmd/etcdbench")
	cmd.Dir, cmd.Env = "../../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build etcdbench: %v\n%s", err, out)
	}
	return path
}

// start starts a process that is stopped with SIGTERM at the end of the test.
func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		ended := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
		defer ended.Stop()
		cmd.Wait()
	})
}

// startEtcd starts a cluster of one member and returns its endpoint.
func startEtcd(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.Command(program, "cluster", "--members", "1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line)
}

// freePort returns a port of loopback that was free.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// writeKey writes the key that signs tokens of service accounts.
func writeKey(t *testing.T, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startAPIServer starts kube-apiserver over an etcd and returns a client of it. All of
// the admission plugins are those that are on by default.
func startAPIServer(t *testing.T, etcd string) *kubernetes.Clientset {
	t.Helper()
	dir := t.TempDir()
	key, tokens := filepath.Join(dir, "accounts.key"), filepath.Join(dir, "tokens.csv")
	writeKey(t, key)
	if err := os.WriteFile(tokens, []byte(token+",test,test,system:masters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	port := freePort(t)
	cmd := exec.Command(os.Args[0], "--etcd-servers="+etcd, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
		"--secure-port="+strconv.Itoa(port), "--cert-dir="+dir, "--endpoint-reconciler-type=none", "--token-auth-file="+tokens,
		"--authorization-mode=RBAC", "--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+key, "--service-account-signing-key-file="+key)
	cmd.Env = append(os.Environ(), apiserverVariable+"=1")
	cmd.Stdout, cmd.Stderr = log, log
	start(t, cmd)
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", port), BearerToken: token, QPS: 200, Burst: 200,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}, // its certificate is made as it starts
	})
	if err != nil {
		t.Fatal(err)
	}
	ready := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		body, err := client.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		return err == nil && string(body) == "ok"
	}
	for began := time.Now(); !ready(); time.Sleep(200 * time.Millisecond) {
		if time.Since(began) > 2*time.Minute {
			text, _ := os.ReadFile(log.Name())
			lines := bytes.Split(text, []byte("\n"))
			t.Fatalf("kube-apiserver is not ready:\n%s", bytes.Join(lines[max(0, len(lines)-40):], []byte("\n")))
		}
	}
	return client
}

// startJobController runs the Job controller until the end of the test.
func startJobController(t *testing.T, client *kubernetes.Clientset) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	factory := informers.NewSharedInformerFactory(client, 0)
	c, err := job.NewController(ctx, client, factory.Core().V1().Pods(), factory.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	factory.Start(ctx.Done())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx, 2)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		factory.Shutdown()
	})
}
