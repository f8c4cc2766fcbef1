package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

// A comparison with published figures in every format; what is JSON is read back.
func TestGoldenPublished(t *testing.T) {
	for _, f := range Comparisons() {
		var b bytes.Buffer
		item := Item{Saved: results.Saved{Kind: results.KindPublished, Published: reporttest.Published()}}
		if err := WriteItems(&b, f.Name, []Item{item}); err != nil {
			t.Fatal(err)
		}
		switch f.Name {
		case "html":
			page := reporttest.WithoutScripts(b.String())
			if strings.Contains(b.String(), "<script>alert") || !strings.Contains(page, "50,104/s") {
				t.Errorf("page: %s", page)
			}
			continue
		case "json":
			if p, err := results.DecodePublished(b.Bytes()); err != nil || p.Rows[1].Rate != 6415 {
				t.Errorf("read back %+v, %v", p, err)
			}
		}
		reporttest.Golden(t, "published."+f.Name, b.Bytes())
	}
}
