package report

import (
	"bytes"
	"testing"

	"github.com/etcdbench/etcdbench/report/reporttest"
)

// A ladder in every format; the page is a golden file of its own package.
func TestGoldenScale(t *testing.T) {
	t.Parallel()
	s := reporttest.Scale(t)
	for _, f := range Scales() {
		var b bytes.Buffer
		if err := f.Write(&b, s); err != nil {
			t.Fatal(err)
		}
		if f.Name != "html" {
			reporttest.Golden(t, "scale."+f.Name, b.Bytes())
			continue
		}
		for _, want := range []string{"Time to full redundancy", "&lt;data&gt;", "a member did not come back", "size^1.00"} {
			if !bytes.Contains(b.Bytes(), []byte(want)) {
				t.Errorf("the page lacks %q", want)
			}
		}
	}
}
