package profiles

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

// Whatever a member or a file holds: it is a profile, or an error.
func FuzzProfile(f *testing.F) {
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "cpu", Unit: "nanoseconds"}}, PeriodType: &profile.ValueType{}, Period: 1,
		Function: []*profile.Function{{ID: 1, Name: "runtime.gopark"}},
	}
	p.Location = []*profile.Location{{ID: 1, Line: []profile.Line{{Function: p.Function[0]}}}}
	p.Sample = []*profile.Sample{{Location: p.Location, Value: []int64{7}}, {Value: []int64{1}}}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	b.Reset()
	if err := p.WriteUncompressed(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parse(data)
		if err != nil {
			return
		}
		for _, k := range kinds {
			if _, err := k.functions(p); err != nil {
				continue
			}
			if _, err := k.total(p); err != nil {
				t.Errorf("%s: functions without a total: %v", k.name, err)
			}
		}
	})
}

// A few kilobytes that inflate to more than a profile has are refused before they are held.
func TestInflatedProfile(t *testing.T) {
	zeros := func(mib int) []byte {
		var one bytes.Buffer
		z := gzip.NewWriter(&one)
		if _, err := z.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return bytes.Repeat(one.Bytes(), mib) // gzip reads what follows one stream as its continuation
	}
	if _, err := parse(zeros(6 << 10)); err == nil || !strings.Contains(err.Error(), "more than 128 MiB when it is inflated") {
		t.Error(err)
	}
	var twice bytes.Buffer
	z := gzip.NewWriter(&twice)
	if _, err := z.Write(zeros(1)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := parse(twice.Bytes()); err == nil || !strings.Contains(err.Error(), "compressed twice") {
		t.Error(err)
	}
}
