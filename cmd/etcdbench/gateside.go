package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/bench/versus"
)

// parseSide makes one side of a comparison from its text and the common specification:
// etcd=VERSION, binary=PATH, a setting of the cluster, env:NAME=value, a flag of etcd, or
// endpoints. Several are separated by commas.
func parseSide(name, text string, spec runner.Spec) (versus.Subject, error) {
	side := versus.Subject{Label: "the built-in etcd with its defaults", Spec: spec.Clone()}
	if text == "" {
		return side, nil
	}
	f := specFlags{spec: side.Spec}
	settings := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.addStart(settings)
	f.spec = side.Spec // registering a flag sets its default
	var endpoints, labels []string
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		key, _, assigned := strings.Cut(part, "=")
		switch {
		case part == "":
			return side, fmt.Errorf("--%s %q: an empty part between commas", name, text)
		case !assigned && strings.Contains(part, ":"):
			endpoints = append(endpoints, part)
			labels = append(labels, part)
			continue
		case !assigned:
			return side, fmt.Errorf("--%s: %q is neither name=value nor an endpoint", name, part)
		}
		if err := setSide(&f.spec.Cluster.Start, settings, part); err != nil {
			return side, fmt.Errorf("--%s: %w", name, err)
		}
		if strings.HasPrefix(key, "env:") {
			part = key // its value may be a secret
		}
		labels = append(labels, part)
	}
	if len(endpoints) > 0 && len(labels) > len(endpoints) {
		return side, fmt.Errorf("--%s %q: the settings of a running cluster cannot be changed: give either endpoints or settings", name, text)
	}
	side.Label, side.Spec = strings.Join(labels, ","), f.spec
	if len(endpoints) > 0 {
		side.Spec.Cluster.Endpoints = endpoints
	}
	return side, nil
}

// setSide sets one part of a side in the common specification.
func setSide(start *runner.Start, settings *pflag.FlagSet, part string) error {
	key, value, _ := strings.Cut(part, "=")
	variable, isVariable := strings.CutPrefix(key, "env:")
	switch {
	case key == "etcd":
		return settings.Set("etcd-version", value)
	case key == "binary":
		return settings.Set("etcd-binary", value)
	case isVariable:
		return settings.Set("member-env", variable+"="+value)
	case settings.Lookup(key) != nil && !slices.Contains(notSettings[:], key):
		return settings.Set(key, value)
	}
	start.EtcdFlags = append(start.EtcdFlags, part)
	return nil
}

// notSettings are settings with other names in a side.
var notSettings = [...]string{"etcd-version", "etcd-binary", "member-env", "etcd-flag"}
