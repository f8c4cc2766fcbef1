// Package validation has the manifests of distributed runs validated by the code of
// kube-apiserver, and their pods by the restricted Pod Security Standard.
package validation

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/batch"
	_ "k8s.io/kubernetes/pkg/apis/batch/install"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/registry/batch/job"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// golden are manifests that the tests of the package manifest compare with its output.
const golden = "../../../bench/agent/manifest/testdata"

// documents are the objects of a manifest, as YAML.
func documents(t *testing.T, path string) (list [][]byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		part, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, part)
	}
}

// validate decodes an object strictly, sets defaults and validates it, as kube-apiserver
// does at its creation.
func validate(text []byte) error {
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	object, err := runtime.Decode(codecs.UniversalDecoder(), text)
	if err != nil {
		return err
	}
	switch o := object.(type) {
	case *batch.Job:
		if o.Namespace == "" {
			o.Namespace = metav1.NamespaceDefault
		}
		rest.FillObjectMetaSystemFields(o)
		ctx := request.WithRequestInfo(request.WithNamespace(request.NewContext(), o.Namespace),
			&request.RequestInfo{Verb: "create", APIGroup: "batch", APIVersion: "v1", Resource: "jobs", Namespace: o.Namespace})
		return rest.BeforeCreate(job.Strategy, ctx, o)
	case *core.Service:
		if o.Namespace == "" {
			o.Namespace = metav1.NamespaceDefault
		}
		o.Spec.ClusterIPs = []string{o.Spec.ClusterIP} // the registry of services does that
		return validation.ValidateServiceCreate(o).ToAggregate()
	}
	return errors.New("unexpected kind")
}

// secure evaluates a Job's pods by the restricted Pod Security Standard.
func secure(t *testing.T, text []byte) {
	t.Helper()
	var j batchv1.Job
	codecs := serializer.NewCodecFactory(legacyscheme.Scheme, serializer.EnableStrict)
	if err := runtime.DecodeInto(codecs.UniversalDeserializer(), text, &j); err != nil {
		t.Fatal(err)
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	level := api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}
	result := policy.AggregateCheckResults(evaluator.EvaluatePod(level, &j.Spec.Template.ObjectMeta, &j.Spec.Template.Spec))
	if !result.Allowed {
		t.Errorf("%s: %s", j.Name, result.ForbiddenDetail())
	}
}

func TestManifestsAreValid(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(golden, "*.yaml"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		for i, text := range documents(t, path) {
			if err := validate(text); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if i > 0 {
				secure(t, text)
			}
		}
	}
}

// The validation finds what Kubernetes refuses: a limit for each index without indices.
func TestValidationRefuses(t *testing.T) {
	text := documents(t, filepath.Join(golden, "small.yaml"))[2]
	if err := validate(text); err != nil {
		t.Error(err)
	}
	if err := validate(bytes.Replace(text, []byte("completionMode: Indexed"), []byte("completionMode: NonIndexed"), 1)); err == nil {
		t.Error("it was accepted")
	}
}
