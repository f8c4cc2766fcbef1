package machine

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Version is the version of this program if the build information contains none.
const Version = "0.1.0"

// Unknown is an unknown version or revision.
const Unknown = "unknown"

const (
	module           = "github.com/etcdbench/etcdbench"
	etcdClientModule = "go.etcd.io/etcd/client/v3"
)

// provenance sets the versions from the build information. The revision comes from git if a
// build in a working tree has none, as with "go run" and "go test". Unknown values are
// [Unknown].
func provenance(e *results.Environment, info *debug.BuildInfo, git func() string) {
	e.Tool, e.Revision, e.EtcdClient = Version, Unknown, Unknown
	if info == nil {
		return
	}
	version, main := "", info.Main.Path == module
	if main {
		version = info.Main.Version
		e.Revision = stampedRevision(info)
	}
	for _, d := range info.Deps {
		switch d.Path {
		case module: // the main module is another program: its revision is not that of etcdbench
			version = d.Version
		case etcdClientModule:
			e.EtcdClient = d.Version
			if d.Replace != nil {
				e.EtcdClient += " (replaced)"
			}
		}
	}
	released := version != "" && version != "(devel)"
	if released {
		e.Tool = version
	}
	if m := pseudoVersion.FindStringSubmatch(version); e.Revision == Unknown && m != nil {
		e.Revision = m[1] + strings.Replace(m[2], "+", "-", 1)
	}
	if main && !released && e.Revision == Unknown {
		if revision := git(); revision != "" {
			e.Revision = revision
		}
	}
}

// pseudoVersion matches the end of a pseudo-version, with the revision of a module without a
// tag.
var pseudoVersion = regexp.MustCompile(`-(?:0\.)?\d{14}-([0-9a-f]{12})(\+dirty)?$`)

// stampedRevision returns the revision that the go command has written into the binary.
func stampedRevision(info *debug.BuildInfo) string {
	revision, dirty := Unknown, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && s.Value != "":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-dirty"
		}
	}
	if revision == Unknown {
		return Unknown
	}
	return revision + dirty
}

// gitRevision returns the revision of the working tree that contains dir, with the suffix
// "-dirty" if it was changed. It returns "" if there is no git, or if the tree belongs to
// another program.
func gitRevision(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0") // no lock: the command only reads
		out, err := cmd.Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	top := git("rev-parse", "--show-toplevel")
	if top == "" {
		return ""
	}
	mod, err := os.ReadFile(filepath.Join(top, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module "+module+"\n") {
		return ""
	}
	return git("describe", "--always", "--dirty", "--abbrev=40", "--match=")
}
