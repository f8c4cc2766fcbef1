package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

var versionPattern = regexp.MustCompile(`^v3\.([5-9]|[1-9][0-9])\.[0-9]+(-(alpha|beta|rc)\.[0-9]+)?$`)

// CheckVersion returns an error unless version is a version of etcd that can be built.
func CheckVersion(version string) error {
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("--etcd-version %q must be v3.5.0 or later, such as v3.6.14", version)
	}
	return nil
}

// The module that BuildVersion builds. etcd's own go.mod has replace
// directives, which "go install module@version" refuses.
const (
	versionMod  = "module etcdserver\n\ngo 1.23\n\nrequire go.etcd.io/etcd/server/v3 %s\n"
	versionMain = `package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
`
)

// BuildVersion returns the path of an etcd server of the given version. The local Go builds it
// from the module proxy once. It is kept in cacheDir; "" means the user's cache directory.
func BuildVersion(ctx context.Context, version, cacheDir string) (string, error) {
	if err := CheckVersion(version); err != nil {
		return "", err
	}
	if cacheDir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("build etcd %s: %w", version, err)
		}
		cacheDir = filepath.Join(base, "etcdbench", "etcd")
	}
	// The Go version is part of the name, because it affects the results.
	binary := filepath.Join(cacheDir, fmt.Sprintf("etcd-%s-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH, runtime.Version()))
	if info, err := os.Stat(binary); err == nil && info.Mode().IsRegular() {
		return binary, nil
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", errors.New("build etcd " + version + ": Go is not on the PATH: install Go or use --etcd-binary")
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return "", fmt.Errorf("build etcd %s: %w", version, err)
	}
	dir, err := os.MkdirTemp(cacheDir, "build-*")
	if err != nil {
		return "", fmt.Errorf("build etcd %s: %w", version, err)
	}
	defer os.RemoveAll(dir)
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "go.mod"), fmt.Appendf(nil, versionMod, version), 0o644),
		os.WriteFile(filepath.Join(dir, "main.go"), []byte(versionMain), 0o644))
	if err != nil {
		return "", fmt.Errorf("build etcd %s: %w", version, err)
	}
	for _, args := range [][]string{{"mod", "tidy"}, {"build", "-o", "etcd", "."}} {
		cmd := exec.CommandContext(ctx, goTool, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build etcd %s: go %s: %s", version, args[0], lastLine(string(out), err))
		}
	}
	if err := os.Rename(filepath.Join(dir, "etcd"), binary); err != nil {
		return "", fmt.Errorf("build etcd %s: %w", version, err)
	}
	return binary, nil
}

// lastLine returns the last line of a tool's output, or the error if there is no output.
func lastLine(out string, err error) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return err.Error()
}
