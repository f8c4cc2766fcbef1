// Package kubernetes decodes the manifests of distributed runs into the types of
// Kubernetes. It is a module of its own, so that etcdbench does not depend on these.
package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// golden are manifests that the tests of the package manifest compare with its output.
const golden = "../../bench/agent/manifest/testdata"

// objects are those of a manifest.
type objects struct {
	service             corev1.Service
	coordinator, agents batchv1.Job
}

// decode decodes a manifest. Unknown and repeated fields are an error.
func decode(t *testing.T, path string) (o objects) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for _, into := range []any{&o.service, &o.coordinator, &o.agents} {
		part, err := r.Read()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := yaml.UnmarshalStrict(part, into, yaml.DisallowUnknownFields); err != nil {
			t.Fatalf("%s: %v\n%s", path, err, part)
		}
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("%s has a fourth object: %v", path, err)
	}
	return o
}

func TestManifests(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(golden, "*.yaml"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		o := decode(t, path)
		checkService(t, o)
		for _, job := range []batchv1.Job{o.coordinator, o.agents} {
			if job.APIVersion != "batch/v1" || job.Kind != "Job" {
				t.Errorf("%s is a %s of %s", job.Name, job.Kind, job.APIVersion)
			}
			checkPod(t, job.Spec.Template)
		}
		checkAgents(t, o.agents)
		if *o.coordinator.Spec.BackoffLimit != 0 {
			t.Error("the coordinator is tried again")
		}
	}
}

// checkService sees that the service finds the coordinator's pod, and it alone.
func checkService(t *testing.T, o objects) {
	t.Helper()
	if o.service.Kind != "Service" || o.service.Spec.ClusterIP != corev1.ClusterIPNone || o.service.Name != o.coordinator.Name {
		t.Errorf("service %+v", o.service)
	}
	finds := func(labels map[string]string) bool {
		for key, value := range o.service.Spec.Selector {
			if labels[key] != value {
				return false
			}
		}
		return true
	}
	if !finds(o.coordinator.Spec.Template.Labels) || finds(o.agents.Spec.Template.Labels) {
		t.Errorf("the service selects %v", o.service.Spec.Selector)
	}
}

// checkAgents sees that each index is tried once, and that pods which are evicted are
// replaced.
func checkAgents(t *testing.T, job batchv1.Job) {
	t.Helper()
	s := job.Spec
	if *s.CompletionMode != batchv1.IndexedCompletion || *s.Completions != *s.Parallelism || *s.Completions < 1 || *s.BackoffLimitPerIndex != 0 {
		t.Errorf("agents: %+v", s)
	}
	rules := s.PodFailurePolicy.Rules
	if len(rules) != 2 || rules[0].Action != batchv1.PodFailurePolicyActionFailJob || rules[0].OnExitCodes.Values[0] != 2 ||
		*rules[0].OnExitCodes.ContainerName != s.Template.Spec.Containers[0].Name ||
		rules[1].Action != batchv1.PodFailurePolicyActionIgnore || rules[1].OnPodConditions[0].Type != corev1.DisruptionTarget {
		t.Errorf("rules %+v", rules)
	}
	spread := s.Template.Spec.TopologySpreadConstraints
	if len(spread) != 1 || spread[0].LabelSelector.MatchLabels["app.kubernetes.io/component"] != s.Template.Labels["app.kubernetes.io/component"] {
		t.Errorf("spread %+v", spread)
	}
}

// checkPod sees that the pod keeps to the restricted Pod Security Standard, and that all
// of its volumes are there.
func checkPod(t *testing.T, pod corev1.PodTemplateSpec) {
	t.Helper()
	s, c := pod.Spec, pod.Spec.Containers[0]
	switch {
	case s.RestartPolicy != corev1.RestartPolicyNever, *s.AutomountServiceAccountToken, !*s.SecurityContext.RunAsNonRoot,
		s.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault,
		*c.SecurityContext.AllowPrivilegeEscalation, !*c.SecurityContext.ReadOnlyRootFilesystem,
		len(c.SecurityContext.Capabilities.Drop) != 1 || c.SecurityContext.Capabilities.Drop[0] != "ALL",
		c.Resources.Requests.Cpu().IsZero(), c.Resources.Limits.Memory().IsZero():
		t.Errorf("pod %+v", s)
	}
	volumes := map[string]corev1.Volume{}
	for _, v := range s.Volumes {
		volumes[v.Name] = v
		if v.Secret != nil && *v.Secret.DefaultMode != 0o440 {
			t.Errorf("secret %+v", v.Secret)
		}
	}
	for _, m := range c.VolumeMounts {
		if _, ok := volumes[m.Name]; !ok {
			t.Errorf("no volume %s", m.Name)
		}
		delete(volumes, m.Name)
	}
	if len(volumes) > 0 {
		t.Errorf("volumes that are not mounted: %v", volumes)
	}
	for _, e := range c.Env {
		if e.Value != "" || e.ValueFrom.SecretKeyRef == nil {
			t.Errorf("variable %+v", e)
		}
	}
}

// The decoding is strict: a misspelled field and a repeated one are found.
func TestDecodingIsStrict(t *testing.T) {
	for _, text := range []string{"kind: Job\nspec: {backofLimit: 0}\n", "kind: Job\nkind: Job\n"} {
		var job batchv1.Job
		if err := yaml.UnmarshalStrict([]byte(text), &job, yaml.DisallowUnknownFields); err == nil {
			t.Errorf("%q was accepted", text)
		}
	}
}
