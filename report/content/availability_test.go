package content

import (
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Outages have the affected operations and the events at the same time.
func TestAvailabilityLines(t *testing.T) {
	a := &results.Availability{Share: 0.99999999, Count: 1, Longest: 1500 * time.Millisecond, Total: 1500 * time.Millisecond, Outages: []results.Outage{{
		Start: 10 * time.Second, Length: 1500 * time.Millisecond, Affected: 1500, Lost: 12, Open: true, Causes: []string{"kill m1", "leader changed"},
	}}}
	if got := Availability(a); got != "availability 99.9999 %, 1 outage, the longest 1.50 s, 1.50 s in all" {
		t.Error(got)
	}
	if got := OutageLine(a.Outages[0]); got != "outage at 10.0 s for ≥ 1.50 s: 1,500 operations affected, 12 lost; recovered after ?; at the same time: kill m1; leader changed" {
		t.Error(got)
	}
	a.Count, a.Partial, a.Outages[0].Share = 3, 2, 0.145
	if got := Availability(a); got != "availability 99.9999 %, 3 outages (2 partial), the longest 1.50 s, 1.50 s in all" {
		t.Error(got)
	}
	if got := OutageLine(a.Outages[0]); !strings.HasPrefix(got, "partial outage at 10.0 s for ≥ 1.50 s: 1,500 operations affected (14 %), 12 lost;") {
		t.Error(got)
	}
	if _, rows := OutageRows(a); rows[0][3] != "1,500 (14 %)" {
		t.Error(rows)
	}
	a.Count, a.Partial = 1, 1
	if got := Availability(a); got != "availability 99.9999 %, 1 partial outage, the longest 1.50 s, 1.50 s in all" {
		t.Error(got)
	}
	if got := Availability(&results.Availability{Share: 1}); got != "availability 100 %, no outages" {
		t.Error(got)
	}
	if got := Availability(nil); got != "" {
		t.Error(got)
	}
}
