package cluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/kubernetes"
	strict "sigs.k8s.io/yaml"
)

const (
	coordinator = "etcdbench-coordinator"
	agents      = "etcdbench-agent"
)

// A bench is a namespace in which a manifest was applied.
type bench struct {
	client    *kubernetes.Clientset
	namespace string
	node      *node
}

// result is what the tests read of the coordinator's document.
type result struct {
	Outcome  string
	Validity struct {
		Verdict string
		Reasons []struct{ Code string }
	}
	Agents []struct {
		Index                 int
		Offered, Acknowledged uint64
		Failure               string
	}
	Operations []struct {
		Phase, Op string
		Offered   uint64
	}
}

// TestKubernetes runs the manifest with three agents, whose coordinators use one port.
func TestKubernetes(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("the pods' processes need root directories and users of their own: run it as root on Linux")
	}
	program := buildProgram(t)
	client := startAPIServer(t, startEtcd(t, program))
	startJobController(t, client)
	target := startEtcd(t, program)
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("kube-apiserver %s.%s", version.Major, version.Minor)
	for name, test := range map[string]struct {
		duration string
		token    string // in place of the right one
		check    func(t *testing.T, b bench)
	}{
		"completes": {duration: "5s", check: checkCompletes},
		"killed":    {duration: "1m", check: checkKilled},
		"evicted":   {duration: "1m", check: checkEvicted},
		"token":     {duration: "5s", token: "not a token", check: checkToken},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, client, name)
			if test.token == "" {
				test.token = string(command(t, program, "agent", "token", "--host", coordinator))
			}
			b.createSecret(t, test.token)
			b.apply(t, command(t, program, "agent", "manifest", "--agents", "3", "--image", "registry.example/etcdbench:v1", "--join-timeout", "20s",
				"--namespace", name, "--", "run", "put", "--endpoints", target, "--rate", "60", "--clients", "60", "--warmup", "1s",
				"--duration", test.duration))
			b.node = startNode(t, client, name, program)
			test.check(t, b)
		})
	}
}

// command returns the output of etcdbench.
func command(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &stderr)
	}
	return out
}

// newBench makes a namespace that admits only pods of the restricted Pod Security
// Standard.
func newBench(t *testing.T, client *kubernetes.Clientset, namespace string) bench {
	t.Helper()
	_, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	// The controller of service accounts, which does not run, would make this one.
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	if _, err := client.CoreV1().ServiceAccounts(namespace).Create(t.Context(), account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return bench{client: client, namespace: namespace}
}

// createSecret creates the Secret of the join token.
func (b bench) createSecret(t *testing.T, token string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "etcdbench-join"}, StringData: map[string]string{"token": token}}
	if _, err := b.client.CoreV1().Secrets(b.namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// apply creates the objects of a manifest. The server refuses unknown and repeated fields.
func (b bench) apply(t *testing.T, manifest []byte) {
	t.Helper()
	r := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(manifest)))
	for {
		part, err := r.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		var kind metav1.TypeMeta
		if err := errors.Join(err, strict.Unmarshal(part, &kind)); err != nil {
			t.Fatal(err)
		}
		client, resource := b.client.BatchV1().RESTClient(), "jobs"
		if kind.Kind == "Service" {
			client, resource = b.client.CoreV1().RESTClient(), "services"
		}
		err = client.Post().Namespace(b.namespace).Resource(resource).Param("fieldValidation", "Strict").
			SetHeader("Content-Type", "application/yaml").Body(part).Do(t.Context()).Error()
		if err != nil {
			t.Fatalf("create %s: %v\n%s", resource, err, part)
		}
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for began := time.Now(); !condition(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > 2*time.Minute {
			t.Fatalf("not within 2 minutes: %s", what)
		}
	}
}

// finished waits for the end of a Job and returns it with its last condition.
func (b bench) finished(t *testing.T, name string) (job *batchv1.Job, last batchv1.JobCondition) {
	t.Helper()
	eventually(t, "the end of "+name, func() bool {
		var err error
		if job, err = b.client.BatchV1().Jobs(b.namespace).Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, c := range job.Status.Conditions {
			if (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue {
				last = c
				return true
			}
		}
		return false
	})
	t.Logf("%s: %s %s %s; completed %q, failed %v", name, last.Type, last.Reason, last.Message, job.Status.CompletedIndexes, indexes(job))
	return job, last
}

// indexes are the failed ones of a Job.
func indexes(job *batchv1.Job) string {
	if job.Status.FailedIndexes == nil {
		return ""
	}
	return *job.Status.FailedIndexes
}

// pods returns how many pods each index of a Job has had.
func (b bench) pods(t *testing.T, job string) map[string]int {
	t.Helper()
	list, err := b.client.CoreV1().Pods(b.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + job})
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, p := range list.Items {
		count[p.Annotations[batchv1.JobCompletionIndexAnnotation]]++
	}
	return count
}

// files are those that match a pattern in the coordinator's volume of results.
func (b bench) files(pattern string) []string {
	p := b.node.started(coordinator, "")
	if p == nil {
		return nil
	}
	paths, _ := filepath.Glob(filepath.Join(p.root, "results/etcdbench-results/*", pattern))
	return paths
}

// underLoad waits until the agents have reported a second of load.
func (b bench) underLoad(t *testing.T) {
	t.Helper()
	eventually(t, "a second of load", func() bool {
		for _, path := range b.files("intervals.jsonl") {
			if text, err := os.ReadFile(path); err == nil && bytes.Count(text, []byte("\n")) > 2 {
				return true
			}
		}
		return false
	})
}

// result reads the coordinator's document.
func (b bench) result(t *testing.T) (r result) {
	t.Helper()
	paths := b.files("run.json")
	if len(paths) != 1 {
		t.Fatalf("results: %v", paths)
	}
	text, err := os.ReadFile(paths[0])
	if err := errors.Join(err, json.Unmarshal(text, &r)); err != nil {
		t.Fatal(err)
	}
	t.Logf("outcome %s, validity %+v, agents %+v", r.Outcome, r.Validity, r.Agents)
	return r
}

// checkCompletes sees that both Jobs complete, and that the result has all of the load.
func checkCompletes(t *testing.T, b bench) {
	b.finished(t, coordinator)
	r := b.result(t)
	if r.Validity.Verdict == "invalid" {
		t.Fatal("the measurement is invalid, and so the coordinator failed: repeat the test while the machine has no other work")
	}
	for name, completed := range map[string]string{coordinator: "", agents: "0-2"} {
		if job, last := b.finished(t, name); last.Type != batchv1.JobComplete || job.Status.CompletedIndexes != completed {
			t.Errorf("%s: %+v", name, job.Status)
		}
	}
	if r.Outcome != "completed" || len(r.Agents) != 3 {
		t.Fatalf("result %+v", r)
	}
	var byAgents, offered uint64
	for _, a := range r.Agents {
		byAgents += a.Offered
		if a.Failure != "" || a.Offered == 0 || a.Acknowledged == 0 {
			t.Errorf("agent %+v", a)
		}
	}
	for _, o := range r.Operations {
		if o.Phase == "measure" && o.Op == "put" {
			offered = o.Offered
		}
	}
	if offered != 300 || byAgents != offered {
		t.Errorf("%d operations were offered, by the agents %d, want 300", offered, byAgents)
	}
}

// checkLost sees that the run failed with agent 1, and that its pod was started once.
func (b bench) checkLost(t *testing.T) {
	t.Helper()
	if _, last := b.finished(t, coordinator); last.Type != batchv1.JobFailed {
		t.Errorf("the coordinator is %s", last.Type)
	}
	r := b.result(t)
	if r.Outcome != "failed" || r.Validity.Verdict != "invalid" || len(r.Agents) != 3 {
		t.Fatalf("result %+v", r)
	}
	for _, a := range r.Agents {
		if lost := strings.Contains(a.Failure, "its lease ended"); lost != (a.Index == 1) {
			t.Errorf("agent %+v", a)
		}
	}
	if count := b.pods(t, coordinator); count[""] != 1 {
		t.Errorf("coordinators: %v", count)
	}
}

// checkKilled kills an agent under load: its index fails, and is not tried again. Those of the
// others, whose shares do not reach their end, fail too.
func checkKilled(t *testing.T, b bench) {
	b.underLoad(t)
	b.node.started(agents, "1").signal(syscall.SIGKILL)
	b.checkLost(t)
	job, last := b.finished(t, agents)
	if last.Type != batchv1.JobFailed || last.Reason != batchv1.JobReasonFailedIndexes || indexes(job) != "0-2" {
		t.Errorf("agents: %+v", job.Status)
	}
	if count := b.pods(t, agents); count["0"] != 1 || count["1"] != 1 || count["2"] != 1 {
		t.Errorf("pods of the indices: %v", count)
	}
}

// checkEvicted evicts an agent under load: its index gets another pod, which takes no part
// in the run.
func checkEvicted(t *testing.T, b bench) {
	b.underLoad(t)
	b.node.started(agents, "1").evict()
	b.checkLost(t)
	// The second pod fails, as it finds no coordinator any more.
	if job, last := b.finished(t, agents); last.Reason != batchv1.JobReasonFailedIndexes || indexes(job) != "0-2" {
		t.Errorf("agents: %+v", job.Status)
	}
	if count := b.pods(t, agents); count["0"] != 1 || count["1"] != 2 || count["2"] != 1 {
		t.Errorf("pods of the indices: %v", count)
	}
}

// checkToken sees that a token that cannot be used ends the whole Job of the agents.
func checkToken(t *testing.T, b bench) {
	if _, last := b.finished(t, agents); last.Type != batchv1.JobFailed || last.Reason != batchv1.JobReasonPodFailurePolicy {
		t.Errorf("the agents are %s: %s", last.Type, last.Reason)
	}
	if _, last := b.finished(t, coordinator); last.Type != batchv1.JobFailed {
		t.Errorf("the coordinator is %s", last.Type)
	}
	for index, count := range b.pods(t, agents) {
		if count != 1 {
			t.Errorf("index %s has had %d pods", index, count)
		}
	}
}
