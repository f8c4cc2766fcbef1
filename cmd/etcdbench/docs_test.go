package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
)

// A markdownFile is a document of the repository, by its path from the root.
type markdownFile struct{ path, text string }

// markdownFiles reads the documents at the root and below docs.
func markdownFiles(t *testing.T, root string) (files []markdownFile) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, markdownFile{filepath.ToSlash(name), string(data)})
		}
	}
	return files
}

// fence is the beginning or the end of a code block.
var fence = regexp.MustCompile("^\\s*```")

// prose returns the lines outside of code blocks.
func (f markdownFile) prose() (lines []string) {
	code := false
	for line := range strings.Lines(f.text) {
		if fence.MatchString(line) {
			code = !code
		} else if !code {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// notExecuted marks a code block whose commands no test executes.
const notExecuted = "<!-- not executed -->"

// A docCommand is a command line of etcdbench in a code block.
type docCommand struct {
	line string
	// skipped says that the block is marked as not executed.
	skipped bool
}

var commandLine = regexp.MustCompile(`^\s*(?:\$ )?(?:[A-Z_]+=\S+ )*(?:srun |ssh "\$host" |scp \S+ \S+ && ssh "\$host" )?(etcdbench .*)$`)

// commands returns the command lines of etcdbench in the code blocks, with lines that are
// continued joined, and without pipes, redirections and comments.
func (f markdownFile) commands() (found []docCommand) {
	code, skipped, last := false, false, ""
	text := strings.ReplaceAll(f.text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case fence.MatchString(line):
			if code = !code; code {
				skipped = last == notExecuted
			}
		case code:
			if m := commandLine.FindStringSubmatch(line); m != nil && regexp.MustCompile(`^etcdbench [a-z]+( |$)`).MatchString(m[1]) {
				found = append(found, docCommand{m[1], skipped})
			}
		case strings.TrimSpace(line) != "":
			last = strings.TrimSpace(line)
		}
	}
	return found
}

// shellWords splits a command line at spaces, keeps quoted words together, and ends at a
// pipe, a redirection, a comment or the next command.
func shellWords(line string) (words []string) {
	for _, word := range regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`).FindAllString(line, -1) {
		if slices.Contains([]string{"|", ">", ">>", "<", "&", "&&", ";"}, word) || strings.HasPrefix(word, "#") {
			break
		}
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(word))
	}
	return words
}

// anchor is that of a heading, as code hosts make it.
func anchor(heading string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#"))) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteRune('-')
		}
	}
	return b.String()
}

var (
	inlineLink    = regexp.MustCompile(`\]\(([^()\s]+)\)|(?:src|srcset|href)="([^"]+)"`)
	referenceLink = regexp.MustCompile(`^\[[^\]]+\]: (\S+)`)
	inlineCode    = regexp.MustCompile("`[^`]*`")
)

// links returns the targets of the links and pictures of a document.
func (f markdownFile) links() (targets []string) {
	for _, line := range f.prose() {
		line = inlineCode.ReplaceAllString(line, "code")
		for _, m := range inlineLink.FindAllStringSubmatch(line, -1) {
			targets = append(targets, m[1]+m[2])
		}
		if m := referenceLink.FindStringSubmatch(line); m != nil {
			targets = append(targets, m[1])
		}
	}
	return targets
}

// Every relative link of the documents leads to a file, and its anchor to a heading.
func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	files := markdownFiles(t, root)
	anchors := map[string][]string{}
	for _, f := range files {
		for _, line := range f.prose() {
			if strings.HasPrefix(line, "#") {
				anchors[f.path] = append(anchors[f.path], anchor(line))
			}
		}
	}
	checked := 0
	for _, f := range files {
		for _, link := range f.links() {
			if strings.Contains(link, "://") || strings.HasPrefix(link, "mailto:") {
				continue
			}
			checked++
			path, fragment, _ := strings.Cut(link, "#")
			target := f.path
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(f.path), path))
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: %s: there is no such file", f.path, link)
			} else if fragment != "" && !slices.Contains(anchors[target], fragment) {
				t.Errorf("%s: %s: there is no such heading", f.path, link)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d links were found", checked)
	}
}

// The index of the documentation names every document.
func TestDocumentationIndex(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	index, err := os.ReadFile(filepath.Join(root, "docs", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range markdownFiles(t, root) {
		name, found := strings.CutPrefix(f.path, "docs/")
		if found && name != "README.md" && !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// Every command of the documentation exists, with its flags. What measures is carried out as
// a dry run, which resolves scenarios, thresholds and settings. TestReadmeCommands carries out
// those of the README. A block after a line "<!-- not executed -->" is parsed only.
func TestDocumentedCommands(t *testing.T) {
	files := markdownFiles(t, filepath.Join("..", ".."))
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"etcd": 0o755, "mine.yaml": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mix: [{workload: put}]\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	variables := strings.NewReplacer("$RUNNER_TEMP/baseline", "etcd", "$RUNNER_TEMP/candidate", "etcd", "$ENDPOINTS", "10.0.0.1:2379", "$(hostname)", "node")
	parsed, dry := 0, 0
	for _, f := range files {
		if f.path == "README.md" {
			continue
		}
		for _, c := range f.commands() {
			words := shellWords(variables.Replace(c.line))[1:]
			command, err := parseCommand(words)
			if err != nil {
				t.Errorf("%s: %s: %v", f.path, c.line, err)
				continue
			}
			parsed++
			if c.skipped || command.Flags().Lookup("dry-run") == nil || command.Flags().Changed("resume") {
				continue
			}
			measures := command.Name() != "gate" || command.Flags().Changed("candidate") || command.Flags().Changed("aa") || command.Flags().Changed("baseline")
			if !measures {
				continue
			}
			dry++
			var out, errOut strings.Builder
			if code := execute(context.Background(), append(words, "--dry-run"), strings.NewReader(""), &out, &errOut); code != 0 {
				t.Errorf("%s: %s: exit code %d: %s", f.path, c.line, code, errOut.String())
			}
		}
	}
	if parsed < 30 || dry < 20 {
		t.Errorf("only %d commands were parsed and %d carried out", parsed, dry)
	}
}

// parseCommand returns the command of a command line with its flags parsed.
func parseCommand(words []string) (*cobra.Command, error) {
	command, rest, err := newRootCommand().Find(words)
	if err != nil {
		return nil, err
	}
	if !command.HasParent() {
		return nil, fmt.Errorf("there is no command %s", words[0])
	}
	return command, command.ParseFlags(rest)
}

// The checks of documents find what they are for.
func TestDocumentChecks(t *testing.T) {
	t.Parallel()
	f := markdownFile{"a.md", "# A `b` c: d\n[x](y.md#z) `[no](link)`\n```\n$ etcdbench run --rate 5 \\\n  --clients 3 | tee\netcdbench put: 8 clients\n[no](link)\n```\n" +
		notExecuted + "\n\n```\netcdbench report 'a b' > c\n```\n[ref]: https://example.com\n"}
	if got := f.commands(); len(got) != 2 || got[0].skipped || !got[1].skipped || !slices.Equal(shellWords(got[0].line), []string{"etcdbench", "run", "--rate", "5", "--clients", "3"}) ||
		!slices.Equal(shellWords(got[1].line), []string{"etcdbench", "report", "a b"}) {
		t.Errorf("commands %+v", got)
	}
	if got := f.links(); !slices.Equal(got, []string{"y.md#z", "https://example.com"}) {
		t.Errorf("links %q", got)
	}
	if got := anchor("## A `b` c: d"); got != "a-b-c-d" {
		t.Errorf("anchor %q", got)
	}
	for _, line := range []string{"run --no-such-flag", "runn"} {
		if _, err := parseCommand(strings.Fields(line)); err == nil {
			t.Errorf("%q is accepted", line)
		}
	}
}
