package main

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// read returns the image of each platform of an OCI layout.
func read(t *testing.T, dir string) map[string]v1.Image {
	t.Helper()
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	m, err := all.IndexManifest()
	if err != nil || len(m.Manifests) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	index, err := all.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	if m, err = index.IndexManifest(); err != nil {
		t.Fatal(err)
	}
	images := map[string]v1.Image{}
	for _, d := range m.Manifests {
		if images[d.Platform.String()], err = index.Image(d.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return images
}

// extract writes the image's program to a file, and returns its other names.
func extract(t *testing.T, image v1.Image, path string) (others string) {
	t.Helper()
	files := mutate.Extract(image)
	defer files.Close()
	r := tar.NewReader(files)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return others
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Name != "etcdbench" {
			others += h.Name + " "
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, os.FileMode(h.Mode)); err != nil {
			t.Fatal(err)
		}
	}
}

// The image has both platforms, a user without privileges, and a static program that runs.
func TestImage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "image")
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	to := strings.TrimPrefix(server.URL, "http://") + "/etcdbench:test"
	o := options{source: "../..", platforms: "linux/amd64,linux/arm64", output: dir, push: to}
	if err := build(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	images := read(t, dir)
	if len(images) != 2 {
		t.Fatalf("platforms: %v", images)
	}
	for platform, machine := range map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64} {
		program := filepath.Join(t.TempDir(), "etcdbench")
		checkConfig(t, platform, images[platform])
		if others := extract(t, images[platform], program); others != "tmp results " && others != "tmp/ results/ " {
			t.Errorf("%s has %q", platform, others)
		}
		checkProgram(t, platform, program, machine)
	}
	checkPushed(t, to, images)
}

func checkConfig(t *testing.T, platform string, image v1.Image) {
	t.Helper()
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS+"/"+c.Architecture != platform || c.Config.User != "65532:65532" || len(c.Config.Entrypoint) != 1 ||
		c.Config.Entrypoint[0] != "/etcdbench" || c.Config.WorkingDir != "/results" || len(c.Config.Labels["org.opencontainers.image.revision"]) < 40 {
		t.Errorf("%s: %+v", platform, c)
	}
}

// checkProgram sees that the program needs no libraries, and that it runs where this
// machine can run it.
func checkProgram(t *testing.T, platform, path string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); f.Machine != machine || len(libraries) > 0 {
		t.Errorf("%s: %v, %v, %v", platform, f.Machine, libraries, err)
	}
	if platform != runtime.GOOS+"/"+runtime.GOARCH {
		return
	}
	out, err := exec.Command(path, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "etcdbench ") || !strings.Contains(string(out), platform) {
		t.Errorf("%v: %s", err, out)
	}
}

// checkPushed sees that the registry has the same images.
func checkPushed(t *testing.T, to string, images map[string]v1.Image) {
	t.Helper()
	ref, err := name.ParseReference(to)
	if err != nil {
		t.Fatal(err)
	}
	for platform, image := range images {
		p, _ := v1.ParsePlatform(platform)
		pushed, err := remote.Image(ref, remote.WithPlatform(*p))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := pushed.Digest()
		if want, _ := image.Digest(); got != want {
			t.Errorf("%s: pushed %s, want %s", platform, got, want)
		}
	}
}

// The same source makes the same image.
func TestImageIsReproducible(t *testing.T) {
	program := filepath.Join(t.TempDir(), "etcdbench")
	if err := os.WriteFile(program, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := v1.ParsePlatform("linux/amd64")
	if err != nil {
		t.Fatal(err)
	}
	digest := func(s source) string {
		index, err := newIndex(s, []binary{{*p, program}})
		if err != nil {
			t.Fatal(err)
		}
		d, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d.String()
	}
	s := source{revision: "r", made: time.Unix(1e9, 0).UTC()}
	first := digest(s)
	if err := os.Chtimes(program, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	if second := digest(s); second != first {
		t.Errorf("%s and %s", first, second)
	}
}

// What cannot work is refused before anything is built.
func TestRefusals(t *testing.T) {
	for want, o := range map[string]options{
		"nothing to do":        {platforms: "linux/amd64"},
		"-push":                {platforms: "linux/amd64", push: "a b"},
		"OS/ARCHITECTURE":      {source: "../..", platforms: "linux", output: t.TempDir()},
		"find the revision of": {source: t.TempDir(), platforms: "linux/amd64", output: t.TempDir()},
	} {
		if err := build(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}
