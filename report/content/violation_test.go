package content

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// A violation says who answered what and when.
func TestViolationLines(t *testing.T) {
	sent := time.Date(2026, 1, 2, 3, 4, 5, 678_000, time.UTC)
	v := results.Violation{
		Operation: &results.ProofOperation{Name: "read", Key: "/a", Sent: sent, Answered: sent.Add(1500 * time.Microsecond), Revision: 7, Member: "b2", Conn: 2},
		Against:   &results.ProofOperation{Name: "put", Key: "/a", Sent: sent.Add(-time.Second)},
		Page:      "violation-1.html",
	}
	want := "operation: read of /a, sent at 03:04:05.000678, response after 1.5ms at revision 7 from member b2 on connection 3\n" +
		"contradicts: put of /a, sent at 03:04:04.000678, no response\nhistory: violation-1.html"
	if got := strings.Join(ViolationLines(v), "\n"); got != want {
		t.Errorf("got %s", got)
	}
	v = results.Violation{Against: &results.ProofOperation{Name: "write", Key: "/a", Revision: 7}}
	if got := strings.Join(ViolationLines(v), "\n"); got != "contradicts: write of /a at revision 7, time not recorded" {
		t.Errorf("got %s", got)
	}
	if got := ViolationLines(results.Violation{Check: "growth"}); got != nil {
		t.Errorf("got %q", got)
	}
}
