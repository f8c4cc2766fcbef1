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

// Version is the tool's own version where the build says nothing better.
const Version = "0.1.0"

// Unknown stands for a version or a revision that nothing tells.
const Unknown = "unknown"

const (
	module           = "github.com/etcdbench/etcdbench"
	etcdClientModule = "go.etcd.io/etcd/client/v3"
)

// provenance sets the versions in play: from the build information, and the revision from
// git where a build in a working tree carries none, as with "go run" and "go test". What
// nothing tells is [Unknown].
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
		case module: // another program's main module: its revision is not ours
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

// pseudoVersion ends in the revision of a module that has no tag there.
var pseudoVersion = regexp.MustCompile(`-(?:0\.)?\d{14}-([0-9a-f]{12})(\+dirty)?$`)

// stampedRevision returns the revision that the go command has put into the binary.
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

// gitRevision returns the revision of the working tree that dir is in, with "-dirty" where
// it was changed. It returns "" where there is no git, and where the tree is that of
// another program.
func gitRevision(ctx context.Context, dir string) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	git := func(args ...string) string {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0") // it only reads
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
