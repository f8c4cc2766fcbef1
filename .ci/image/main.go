// Command image builds the container image of etcdbench without a container engine: a
// static binary for each platform in an otherwise empty image, as an OCI image index. It
// is a module of its own, so that etcdbench does not depend on what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// options are what the command line asks for.
type options struct {
	source    string
	platforms string
	output    string
	push      string
}

func main() {
	var o options
	flag.StringVar(&o.source, "source", "../..", "`directory` of the sources")
	flag.StringVar(&o.platforms, "platforms", "linux/amd64,linux/arm64", "platforms, separated by commas")
	flag.StringVar(&o.output, "output", "", "`directory` that the image is written to, as an OCI layout")
	flag.StringVar(&o.push, "push", "", "`reference` that the image is pushed to, such as registry.example/etcdbench:v1")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := build(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// build builds the image and stores it where the options say.
func build(ctx context.Context, o options) error {
	if o.output == "" && o.push == "" {
		return errors.New("nothing to do: give -output DIRECTORY or -push REFERENCE")
	}
	var to name.Reference
	if o.push != "" {
		var err error
		if to, err = name.ParseReference(o.push); err != nil {
			return fmt.Errorf("-push: %w", err)
		}
	}
	dir, err := os.MkdirTemp("", "etcdbench-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	source, err := describe(ctx, o.source)
	if err != nil {
		return err
	}
	var binaries []binary
	for _, text := range strings.Split(o.platforms, ",") {
		p, err := v1.ParsePlatform(text)
		if err != nil || p.OS == "" || p.Architecture == "" {
			return fmt.Errorf("-platforms: %q is not OS/ARCHITECTURE", text)
		}
		b := binary{*p, filepath.Join(dir, p.OS+"-"+p.Architecture)}
		if err := source.compile(ctx, b); err != nil {
			return err
		}
		binaries = append(binaries, b)
	}
	index, err := newIndex(source, binaries)
	if err != nil {
		return fmt.Errorf("assemble image: %w", err)
	}
	digest, err := index.Digest()
	if err != nil {
		return fmt.Errorf("assemble image: %w", err)
	}
	if o.output != "" {
		if err := save(o.output, index); err != nil {
			return fmt.Errorf("-output: %w", err)
		}
		fmt.Println(o.output, digest)
	}
	if to != nil {
		if err := remote.WriteIndex(to, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("-push: %w", err)
		}
		fmt.Println(to, digest)
	}
	return nil
}

// save writes the image as an OCI layout with one entry.
func save(dir string, index v1.ImageIndex) error {
	p, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return p.AppendIndex(index)
}
