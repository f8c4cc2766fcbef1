package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/versus"
	"github.com/etcdbench/etcdbench/results"
)

// side is one side of a comparison: what a run's flags are on it.
type side struct {
	name string // baseline or candidate
	text string // as it was given
	// flags are those that the side sets, by name, in the order of its text.
	flags     [][2]string
	endpoints []string
}

// parseSide reads a side: etcd=VERSION, binary=PATH, a setting of the cluster,
// env:NAME=value, a flag of etcd's own, or endpoints; several with commas.
func parseSide(name, text string) (side, error) {
	s := side{name: name, text: text}
	if text == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		key, value, assigned := strings.Cut(part, "=")
		variable, isEnv := strings.CutPrefix(key, "env:")
		add := func(flag, value string) { s.flags = append(s.flags, [2]string{flag, value}) }
		switch {
		case part == "":
			return s, fmt.Errorf("--%s %q: an empty part between commas", name, text)
		case !assigned && strings.Contains(part, ":"):
			s.endpoints = append(s.endpoints, part)
		case !assigned:
			return s, fmt.Errorf("--%s: %q is neither name=value nor an endpoint", name, part)
		case key == "etcd":
			add("etcd-version", value)
		case key == "binary":
			add("etcd-binary", value)
		case isEnv:
			add("member-env", variable+"="+value)
		case slices.Contains(startFlags[:], key):
			add(key, value)
		default:
			add("etcd-flag", part)
		}
	}
	if len(s.endpoints) > 0 && len(s.flags) > 0 {
		return s, fmt.Errorf("--%s %q: a cluster that runs already has its settings", name, text)
	}
	return s, nil
}

// describe is the side in words.
func (s side) describe() string {
	if s.text == "" {
		return "the built-in etcd with its defaults"
	}
	return s.text
}

// options are a run's, with the flags that were given to the gate, those of the
// side, and those that a slot needs.
func (s side) options(given *pflag.FlagSet, scenario string, slot map[string]string) (*runOptions, error) {
	o := &runOptions{}
	cmd := &cobra.Command{}
	fs := cmd.Flags()
	o.addFlags(fs)
	cmd.SetErr(io.Discard)
	var err error
	given.Visit(func(f *pflag.Flag) {
		if own := fs.Lookup(f.Name); own != nil && err == nil {
			err = copyFlag(fs, f)
		}
	})
	if err != nil {
		return nil, err
	}
	for _, f := range s.flags {
		if err := setFlag(fs, f[0], f[1]); err != nil {
			return nil, fmt.Errorf("--%s: %w", s.name, err)
		}
	}
	if len(s.endpoints) > 0 {
		slot["endpoints"] = strings.Join(s.endpoints, ",")
	}
	for name, value := range slot {
		if name != "verify" || !given.Changed(name) {
			if err := fs.Set(name, value); err != nil {
				return nil, err
			}
		}
	}
	if err := o.validate(cmd, scenario); err != nil {
		return nil, fmt.Errorf("--%s: %w", s.name, err)
	}
	o.cluster.probe = slotProbeTime
	return o, nil
}

// slotProbeTime is how long the disk is measured in every slot: a look, not a
// calibration.
const slotProbeTime = 200 * time.Millisecond

// copyFlag sets a flag to what another of its name was set to.
func copyFlag(fs *pflag.FlagSet, from *pflag.Flag) error {
	to := fs.Lookup(from.Name)
	if list, ok := from.Value.(pflag.SliceValue); ok {
		to.Changed = true
		return to.Value.(pflag.SliceValue).Replace(list.GetSlice())
	}
	return fs.Set(from.Name, from.Value.String())
}

// setFlag sets a flag, or adds to one that may be repeated.
func setFlag(fs *pflag.FlagSet, name, value string) error {
	f := fs.Lookup(name)
	if list, ok := f.Value.(pflag.SliceValue); ok && f.Changed {
		return list.Append(value)
	}
	return fs.Set(name, value)
}

// measureSlot makes one run of a side and saves it.
func (s side) measureSlot(ctx context.Context, given *pflag.FlagSet, scenario string, slot versus.Slot, length, warmup time.Duration) (*results.Run, error) {
	return s.measure(ctx, given, scenario, map[string]string{
		"duration": length.String(), "warmup": warmup.String(), "seed": fmt.Sprint(slot.Seed), "verify": "false",
		"progress": "none", "prefix": gatePrefix,
	}, slot.Dir)
}

// measure makes one run with these flags, and saves it.
func (s side) measure(ctx context.Context, given *pflag.FlagSet, scenario string, flags map[string]string, path string) (*results.Run, error) {
	o, err := s.options(given, scenario, flags)
	if err != nil {
		return nil, err
	}
	return o.measureInto(ctx, path)
}

// measureInto makes the run and saves it in a new directory.
func (o *runOptions) measureInto(ctx context.Context, path string) (*results.Run, error) {
	dir, err := results.Create(path)
	if err != nil {
		return nil, err
	}
	run, err := o.measure(ctx, dir, io.Discard)
	if run == nil {
		return nil, errors.Join(err, dir.Close())
	}
	return run, errors.Join(err, dir.WriteRun(run), dir.Close())
}

// gatePrefix is the same for all slots, so that their keys are.
const gatePrefix = "/etcdbench/gate/"

// build makes the etcd of a version before the first round, so that no slot waits
// for it.
func (s side) build(ctx context.Context) error {
	for _, f := range s.flags {
		if f[0] == "etcd-version" {
			if _, err := cluster.BuildVersion(ctx, f[1], ""); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	return nil
}
