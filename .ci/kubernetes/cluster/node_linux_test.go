package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// nodeName is the one node of the tests.
const nodeName = "node-0"

// A node is scheduler and kubelet of one namespace. It binds all pods to itself and runs
// their container as a process: with the user and group of the pod, in a root directory
// that has the program, the volumes and /proc, and no directory besides the volumes that
// the user could write to. The names of headless Services are addresses of loopback.
type node struct {
	client    kubernetes.Interface
	namespace string
	program   string // the file that the image has
	dir       string
	wg        sync.WaitGroup

	mu   sync.Mutex
	pods map[types.UID]*process
	errs []error
}

// A process is the container of a pod.
type process struct {
	pod   *corev1.Pod
	root  string
	log   *os.File
	cmd   *exec.Cmd
	ended chan struct{} // closed when the pod's last status was written

	mu      sync.Mutex
	evicted bool
}

// startNode runs a node until the end of the test.
func startNode(t *testing.T, client kubernetes.Interface, namespace, program string) *node {
	t.Helper()
	n := &node{client: client, namespace: namespace, program: program, dir: t.TempDir(), pods: map[types.UID]*process{}}
	if err := os.Chmod(n.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		for _, p := range n.pods {
			p.signal(syscall.SIGKILL)
		}
		n.wg.Wait()
		for _, p := range n.pods {
			n.fail(p.unmount())
			if text, err := os.ReadFile(p.log.Name()); t.Failed() {
				t.Logf("%s (%v):\n%s", p.pod.Name, err, text)
			}
		}
		if err := errors.Join(n.errs...); err != nil {
			t.Error(err)
		}
	})
	return n
}

// fail keeps an error for the end of the test.
func (n *node) fail(err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.errs = append(n.errs, err)
}

// started returns the process of a Job's pod with an index, and nil where there is none.
// Pods without an index have the index "".
func (n *node) started(job, index string) *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pods {
		if p.pod.Labels[batchv1.JobNameLabel] == job && p.pod.Annotations[batchv1.JobCompletionIndexAnnotation] == index {
			return p
		}
	}
	return nil
}

// run brings each pod to its next state, ten times a second.
func (n *node) run(ctx context.Context) {
	for ctx.Err() == nil {
		list, err := n.client.CoreV1().Pods(n.namespace).List(ctx, metav1.ListOptions{})
		n.fail(err)
		if err == nil {
			for i := range list.Items {
				if err := n.sync(ctx, &list.Items[i]); !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
					n.fail(err)
				}
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// sync brings a pod to its next state: bound, running, deleted.
func (n *node) sync(ctx context.Context, pod *corev1.Pod) error {
	n.mu.Lock()
	p := n.pods[pod.UID]
	n.mu.Unlock()
	switch {
	case pod.DeletionTimestamp != nil:
		if p != nil {
			p.signal(syscall.SIGTERM)
			select {
			case <-p.ended:
			default:
				return nil
			}
		}
		return n.client.CoreV1().Pods(n.namespace).Delete(ctx, pod.Name, *metav1.NewDeleteOptions(0))
	case pod.Spec.NodeName == "":
		return n.client.CoreV1().Pods(n.namespace).Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID}, Target: corev1.ObjectReference{Kind: "Node", Name: nodeName},
		}, metav1.CreateOptions{})
	case p == nil:
		p, err := n.prepare(ctx, pod)
		if err != nil {
			return fmt.Errorf("prepare pod %s: %w", pod.Name, err)
		}
		if err := p.start(); err != nil {
			return fmt.Errorf("start pod %s: %w", pod.Name, err)
		}
		n.mu.Lock()
		n.pods[pod.UID] = p
		n.mu.Unlock()
		n.wg.Go(func() { n.fail(n.follow(p)) })
	}
	return nil
}

// follow writes the states of a pod until its process has ended.
func (n *node) follow(p *process) error {
	defer close(p.ended)
	container := p.pod.Spec.Containers[0]
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Now()}}
	err := n.update(p, corev1.PodRunning, container, running)
	p.cmd.Wait()
	state := p.cmd.ProcessState
	code := state.ExitCode()
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		code = 128 + int(status.Signal())
	}
	phase, reason := corev1.PodSucceeded, "Completed"
	if code != 0 {
		phase, reason = corev1.PodFailed, "Error"
	}
	ended := corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: int32(code), Reason: reason, StartedAt: running.Running.StartedAt, FinishedAt: metav1.Now(),
	}}
	return errors.Join(err, n.update(p, phase, container, ended), p.log.Close())
}

// update writes the status of a pod.
func (n *node) update(p *process, phase corev1.PodPhase, container corev1.Container, state corev1.ContainerState) error {
	pods := n.client.CoreV1().Pods(n.namespace)
	ready, running := corev1.ConditionFalse, phase == corev1.PodRunning
	if running {
		ready = corev1.ConditionTrue
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		pod, err := pods.Get(context.Background(), p.pod.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		s := &pod.Status
		s.Phase, s.PodIP, s.PodIPs = phase, "127.0.0.1", []corev1.PodIP{{IP: "127.0.0.1"}}
		s.ContainerStatuses = []corev1.ContainerStatus{{
			Name: container.Name, Image: container.Image, Ready: running, Started: &running, State: state,
		}}
		s.Conditions = append(s.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: ready})
		s.Conditions = lastOfEachType(s.Conditions)
		if p.wasEvicted() && !running {
			s.Conditions = append(s.Conditions, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: corev1.PodReasonTerminationByKubelet,
			})
		}
		_, err = pods.UpdateStatus(context.Background(), pod, metav1.UpdateOptions{})
		return err
	})
}

// lastOfEachType returns the conditions without those that a later one of the same type
// replaces.
func lastOfEachType(conditions []corev1.PodCondition) (last []corev1.PodCondition) {
	for i, c := range conditions {
		same := func(other corev1.PodCondition) bool { return other.Type == c.Type }
		if !slices.ContainsFunc(conditions[i+1:], same) {
			last = append(last, c)
		}
	}
	return last
}

// signal sends a signal to the process. One that has ended is not an error.
func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// evict ends a process as the kubelet of a node under memory pressure does.
func (p *process) evict() {
	p.mu.Lock()
	p.evicted = true
	p.mu.Unlock()
	p.signal(syscall.SIGKILL)
}

func (p *process) wasEvicted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.evicted
}
