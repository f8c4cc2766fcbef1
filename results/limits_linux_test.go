package results

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// readLimited names the document that a child process reads, see TestUntrustedDocuments.
const readLimited = "ETCDBENCH_TEST_READ"

// header is the first line of a journal.
const header = `{"run":{"schema":"etcdbench.run/v2","id":"x","plan":{"workload":"put","phases":[{"name":"measure","duration_ns":1000000000}]}}}`

// untrusted are documents whose reading took more memory or time than a machine has, or
// whose figures were wrong. Each writes a file, and its error says why it is refused.
func untrusted(t *testing.T) map[string]struct {
	file, want string
	write      func(w *bufio.Writer)
} {
	repeat := func(before, each, after string) func(w *bufio.Writer) {
		return func(w *bufio.Writer) {
			fmt.Fprint(w, before, each)
			for range 12_000_000 / len(each) {
				fmt.Fprint(w, ",", each)
			}
			fmt.Fprint(w, after)
		}
	}
	journal := func(lines int, line func(i int) string) func(w *bufio.Writer) {
		return func(w *bufio.Writer) {
			fmt.Fprintln(w, header)
			for i := range lines {
				fmt.Fprintf(w, `{"interval":{"n":%d,"start_ns":%d,"length_ns":1000000000,%s}}`+"\n", i, int64(i)*1e9, line(i))
			}
		}
	}
	list := func(n int, each func(k int) string) string {
		var parts []string
		for k := range n {
			parts = append(parts, each(k))
		}
		return strings.Join(parts, ",")
	}
	full := NewHistogram()
	for v := LowestTime; v < HighestTime; v += max(1, v>>11) {
		_ = full.RecordValue(v)
	}
	l, err := NewLatency(full)
	if err != nil {
		t.Fatal(err)
	}
	histogram, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	const start = `{"schema":"etcdbench.run/v2","id":"x",`
	return map[string]struct {
		file, want string
		write      func(w *bufio.Writer)
	}{
		"empty operations": {RunFile, "operations exceed the limit", repeat(start+`"operations":[`, "{}", "]}")},
		"no operations":    {RunFile, "operations exceed the limit", repeat(start+`"operations":[`, "null", "]}")},
		"members":          {RunFile, "entries", repeat(start+`"cluster":{"members":[`, "{}", "]}}")},
		"settings":         {RunFile, "fields", repeat(start+`"cluster":{"settings":{`, `"a":""`, "}}}")},
		"too many operations": {RunFile, "operations exceed the limit", func(w *bufio.Writer) {
			fmt.Fprint(w, start, `"operations":[{}`, strings.Repeat(",{}", maxOperations), "]}")
		}},
		"errors of operations": {RunFile, "entries", repeat(start+`"operations":[{"errors":[`, "null", "]}]}")},
		"settings after the word operations": {RunFile, "fields",
			repeat(start+`"label":"operations","cluster":{"settings":{`, `"a":""`, "}}}")},
		"as many operations as there may be": {RunFile, "", func(w *bufio.Writer) {
			fmt.Fprint(w, start, `"operations":[{}`, strings.Repeat(",{}", maxOperations-1), "]}")
		}},
		"a line of operations": {JournalFile, "entries", func(w *bufio.Writer) {
			fmt.Fprint(w, header, "\n", `{"interval":{"operations":[{}`, strings.Repeat(",{}", 4_000_000), "]}}\n")
		}},
		"operation names": {JournalFile, "MiB", journal(2000, func(i int) string {
			return `"phase":"measure","operations":[` + list(500, func(k int) string { return fmt.Sprintf(`{"phase":"measure","op":"o%d-%d"}`, i, k) }) + "]"
		})},
		"names of errors": {JournalFile, "kinds of errors", journal(300, func(i int) string {
			return `"phase":"measure","operations":[{"phase":"measure","op":"put","errors":[` +
				list(200, func(k int) string { return fmt.Sprintf(`{"code":"e%d-%d","count":1}`, i, k) }) + "]}]"
		})},
		"full histograms": {JournalFile, "MiB", journal(2, func(int) string {
			return `"phase":"measure","operations":[` + list(650, func(k int) string {
				return fmt.Sprintf(`{"phase":"measure","op":"o%d","response_time":%s}`, k, histogram)
			}) + "]"
		})},
		"phases": {JournalFile, "MiB", journal(1000, func(i int) string {
			return fmt.Sprintf(`"phase":"%s%d","operations":[]`, strings.Repeat("p", 200_000), i)
		})},
		"times": {RunFile, "exceeds the length of any run", func(w *bufio.Writer) {
			fmt.Fprintf(w, `%s"phases":[{"name":"measure","start_ns":%d}]}`, start, math.MaxInt64)
		}},
		"times of a plan": {RunFile, "exceeds the length of any run", func(w *bufio.Writer) { fmt.Fprintf(w, `%s"plan":{"timeout_ns":%d}}`, start, -math.MaxInt64) }},
		"times of phases": {RunFile, "exceed the length of any run", repeatPhases(start)},
		"times of seconds": {JournalFile, "exceeds the length of any run", func(w *bufio.Writer) {
			fmt.Fprintf(w, header+"\n"+`{"interval":{"start_ns":%d,"length_ns":%d}}`+"\n", math.MaxInt64-1, math.MaxInt64)
		}},
		"times of moments": {JournalFile, "exceeds the length of any run", func(w *bufio.Writer) {
			fmt.Fprintf(w, header+"\n"+`{"interval":{"moments":[{"at_ns":%d},{"at_ns":%d}]}}`+"\n", math.MaxInt64, -math.MaxInt64)
		}},
		"counts": {RunFile, "more than there can be", func(w *bufio.Writer) {
			fmt.Fprintf(w, `%s"operations":[{"completed":%d,"failed":%d}]}`, start, uint64(1<<63), uint64(1<<63))
		}},
		"levels": {RunFile, "", func(w *bufio.Writer) { fmt.Fprint(w, strings.Repeat("[", 10_000_000)) }},
	}
}

// repeatPhases writes phases none of which is too long, but all together.
func repeatPhases(start string) func(w *bufio.Writer) {
	return func(w *bufio.Writer) {
		one := fmt.Sprintf(`{"name":"measure","length_ns":%d}`, int64(maxTime/2))
		fmt.Fprint(w, start, `"phases":[`, one, ",", one, ",", one, "]}")
	}
}

// Whatever a document or a journal holds, reading it takes a bounded time and memory. A
// child process reads each, whose address space is limited, and whose memory is measured.
func TestUntrustedDocuments(t *testing.T) {
	if path := os.Getenv(readLimited); path != "" {
		if _, err := ReadDocument(path); err != nil {
			fmt.Println("refused:", err)
		}
		status, err := os.ReadFile("/proc/self/status")
		fmt.Println(string(status), err)
		return
	}
	t.Parallel()
	if testing.Short() {
		t.Skip("reads documents of 64 MiB in processes of their own")
	}
	for name, tc := range untrusted(t) {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tc.file)
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			w := bufio.NewWriter(f)
			tc.write(w)
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			readWithin(t, path, tc.want)
		})
	}
}

// readWithin reads a document in a process with little memory.
func readWithin(t *testing.T, path, want string) {
	t.Helper()
	const most = 600 << 20
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", `ulimit -v 4000000; exec "$0" -test.run '^TestUntrustedDocuments$'`, os.Args[0])
	cmd.Env = append(os.Environ(), readLimited+"="+path)
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil {
		t.Fatalf("%v: %s", err, text[:min(len(text), 500)])
	}
	line, refused := strings.CutPrefix(text, "refused: ")
	line, _, _ = strings.Cut(line, "\n")
	if want != "" && (!refused || !strings.Contains(line, want)) {
		t.Errorf("%q, want an error with %q", line, want)
	}
	_, peak, _ := strings.Cut(text, "VmHWM:")
	var kib int64
	if _, err := fmt.Sscan(peak, &kib); err != nil || kib<<10 > most {
		t.Errorf("reading took %d MiB, %v", kib>>10, err)
	}
	t.Logf("%d MiB, %v of CPU time: %s", kib>>10, cmd.ProcessState.UserTime(), line)
}
