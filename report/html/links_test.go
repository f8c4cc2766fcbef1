package html

import (
	"bytes"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// The page of a release check leads to the page of each scenario that was measured, and to
// no other place.
func TestReleaseCheckLinksToItsScenarios(t *testing.T) {
	v := reporttest.GateVerdicts()["qualify"]
	v.Parts[0].Workload, v.Parts[0].Rounds = "my scenario", 3
	v.Parts[1].Workload, v.Parts[1].Rounds = "../elsewhere", 3
	v.Parts[2].Workload, v.Parts[2].Rounds = "not-measured", 0
	var b bytes.Buffer
	if err := WriteReleaseCheck(&b, v); err != nil {
		t.Fatal(err)
	}
	if want := `<a href="./my%20scenario/report.html">my scenario</a>`; !strings.Contains(b.String(), want) {
		t.Errorf("the page does not have %q", want)
	}
	for _, not := range []string{"elsewhere/report.html", "not-measured/report.html"} {
		if strings.Contains(b.String(), not) {
			t.Errorf("the page has %q", not)
		}
	}
	var elsewhere bytes.Buffer
	if err := WriteVerdict(&elsewhere, v); err != nil || strings.Contains(elsewhere.String(), results.PageFile) {
		t.Errorf("%v: a page that may be kept anywhere has links to other pages", err)
	}
}
