package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// user is the user of the container: no user of the system, which distroless images have, too.
const user = 65532

// binary is the program for one platform.
type binary struct {
	platform v1.Platform
	path     string
}

// source is the package that is built.
type source struct {
	dir      string
	revision string
	// made is the time of the revision, which all files of the image have, so that the
	// same source makes the same image.
	made time.Time
}

// describe finds revision and time of the source, or takes the time of the variable
// SOURCE_DATE_EPOCH.
func describe(ctx context.Context, dir string) (source, error) {
	out, err := exec.CommandContext(ctx, "git", "-C", dir, "log", "-1", "--format=%H %ct").Output()
	if err != nil {
		return source{}, fmt.Errorf("find the revision of %s: %w", dir, err)
	}
	revision, seconds, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	if given := os.Getenv("SOURCE_DATE_EPOCH"); given != "" {
		seconds = given
	}
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("find the time of %s: %w", dir, err)
	}
	return source{dir, revision, time.Unix(n, 0).UTC()}, nil
}

// compile builds the program without cgo, so that it needs no libraries.
func (s source) compile(ctx context.Context, b binary) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-C", s.dir, "-trimpath", "-ldflags", "-s -w", "-o", b.path, "./cmd/etcdbench")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS="+b.platform.OS, "GOARCH="+b.platform.Architecture)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", b.platform, err)
	}
	return nil
}

// newIndex makes an image of each binary, and an index of the images.
func newIndex(s source, binaries []binary) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, b := range binaries {
		image, err := newImage(s, b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b.platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &b.platform}})
	}
	return index, nil
}

// newImage makes the image of one binary.
func newImage(s source, b binary) (v1.Image, error) {
	files, err := archive(b.path, s.made)
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer: layer, History: v1.History{Created: v1.Time{Time: s.made}, CreatedBy: "etcdbench .ci/image", Comment: "etcdbench"},
	})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = b.platform.OS, b.platform.Architecture, v1.Time{Time: s.made}
	config.Config = v1.Config{
		Entrypoint: []string{"/etcdbench"}, User: fmt.Sprintf("%d:%d", user, user), WorkingDir: "/results",
		Labels: map[string]string{"org.opencontainers.image.title": "etcdbench", "org.opencontainers.image.revision": s.revision},
	}
	return mutate.ConfigFile(image, config)
}

// archive is the file system of an image, as a tar: the program, and the directories that
// it writes to.
func archive(program string, made time.Time) ([]byte, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "etcdbench", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(data))},
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "results/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: user, Gid: user},
	} {
		h.ModTime, h.Format = made, tar.FormatPAX
		if err := w.WriteHeader(&h); err != nil {
			return nil, err
		}
		if h.Size == 0 {
			continue
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}
