package machine

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// Each way of building says what it can of where the program came from, and of what it
// cannot, that it is unknown.
func TestProvenance(t *testing.T) {
	const revision = "0123456789abcdef0123456789abcdef01234567"
	stamped := func(modified string) []debug.BuildSetting {
		return []debug.BuildSetting{{Key: "vcs.revision", Value: revision}, {Key: "vcs.modified", Value: modified}}
	}
	client := &debug.Module{Path: etcdClientModule, Version: "v3.7.3"}
	ours := func(version string) debug.Module { return debug.Module{Path: module, Version: version} }
	for name, c := range map[string]struct {
		info            *debug.BuildInfo
		tool, rev, etcd string
	}{
		"no build information": {nil, Version, Unknown, Unknown},
		"go build": {
			&debug.BuildInfo{Main: ours("(devel)"), Settings: stamped("false"), Deps: []*debug.Module{client}}, Version, revision, "v3.7.3",
		},
		"go build of changed files": {&debug.BuildInfo{Main: ours("(devel)"), Settings: stamped("true")}, Version, revision + "-dirty", Unknown},
		"go run or go test":         {&debug.BuildInfo{Main: ours("(devel)")}, Version, "from git", Unknown},
		"go install of a release":   {&debug.BuildInfo{Main: ours("v1.2.3")}, "v1.2.3", Unknown, Unknown},
		"go install of a revision": {
			&debug.BuildInfo{Main: ours("v1.2.4-0.20260908200009-22c9c6c9d4da")}, "v1.2.4-0.20260908200009-22c9c6c9d4da", "22c9c6c9d4da", Unknown,
		},
		"another program's build": {
			&debug.BuildInfo{
				Main: debug.Module{Path: "example.com/other", Version: "v9.9.9"}, Settings: stamped("true"),
				Deps: []*debug.Module{{Path: module, Version: "v1.2.3"}, client},
			}, "v1.2.3", Unknown, "v3.7.3",
		},
	} {
		var e results.Environment
		provenance(&e, c.info, func() string { return "from git" })
		if e.Tool != c.tool || e.Revision != c.rev || e.EtcdClient != c.etcd {
			t.Errorf("%s: tool %q, revision %q, client %q; want %q, %q, %q", name, e.Tool, e.Revision, e.EtcdClient, c.tool, c.rev, c.etcd)
		}
	}
	var e results.Environment
	provenance(&e, &debug.BuildInfo{Main: ours("")}, func() string { return "" })
	if e.Revision != Unknown {
		t.Errorf("without git, the revision is %q", e.Revision)
	}
}

// The revision of a working tree is ours only where the tree is.
func TestGitRevision(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git")
	}
	for mod, want := range map[string]bool{module: true, "example.com/other": false} {
		dir := t.TempDir()
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		git := func(args ...string) string {
			cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"}, args...)...)
			cmd.Dir = dir
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("git %v: %v: %s", args, err, out)
			}
			return strings.TrimSpace(string(out))
		}
		if got := gitRevision(t.Context(), dir); got != "" {
			t.Errorf("outside of a working tree: %q", got)
		}
		write("go.mod", "module "+mod+"\n\ngo 1.26\n")
		git("init", "-q")
		git("add", ".")
		git("commit", "-q", "-m", "test")
		head := git("rev-parse", "HEAD")
		got := gitRevision(t.Context(), dir)
		write("go.mod", "module "+mod+"\n\ngo 1.26.1\n")
		dirty := gitRevision(t.Context(), dir)
		if want && (got != head || dirty != head+"-dirty") || !want && got+dirty != "" {
			t.Errorf("%s: %q, and %q when changed; HEAD is %s", mod, got, dirty, head)
		}
	}
}
