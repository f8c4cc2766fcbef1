package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// A tuning in every format.
func TestGoldenTuning(t *testing.T) {
	tuning := reporttest.PairTuning(t)
	if tuning.Recommended != "50ms/500ms" || !strings.Contains(tuning.Compared.Text, "failover better (-46 %, between -60 % and -30 %)") {
		t.Errorf("recommended %s: %q; %s", tuning.Recommended, tuning.Reasons, tuning.Compared.Text)
	}
	for _, f := range Tunings() {
		if f.Name == "html" {
			continue
		}
		var b bytes.Buffer
		if err := f.Write(&b, tuning); err != nil {
			t.Fatal(err)
		}
		reporttest.Golden(t, "tuning."+f.Name, []byte(reporttest.WithoutScripts(b.String())))
	}
}

// A tuning that found nothing to recommend is skipped, with its reason.
func TestTuningJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := writeTuningJUnit(&b, &results.Tuning{Reasons: []string{"no pair kept steady"}}); err != nil {
		t.Fatal(err)
	}
	if got := junitCases(t, b.Bytes())["recommended"]; got != "skipped: nothing to recommend: no pair kept steady" {
		t.Errorf("%q", got)
	}
}
