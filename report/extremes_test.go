package report

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
)

var jsonNumber = regexp.MustCompile(`: -?\d[-+.eE\d]*`)

// withExtremes returns a document in which some numbers are near the limits of their types.
func withExtremes(r *rand.Rand, document []byte) []byte {
	extremes := []string{
		"1.7e308", "-1.7e308", "1e30", "-1e30", "1e19", "5e-324", "9223372036854775807", "-9223372036854775808",
		"18446744073709551615", "315360000000000000", "0", "-1", "1",
	}
	places := jsonNumber.FindAllIndex(document, -1)
	changed := map[int]bool{}
	for range 1 + r.IntN(4) {
		changed[r.IntN(len(places))] = true
	}
	var out []byte
	end := 0
	for i, at := range places {
		if changed[i] {
			out = append(append(append(out, document[end:at[0]]...), ": "...), extremes[r.IntN(len(extremes))]...)
			end = at[1]
		}
	}
	return append(out, document[end:]...)
}

// A run whose numbers are near the limits of their types is refused, or ends in every format.
func TestRunsNearLimits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reports large documents in every format")
	}
	r := rand.New(rand.NewPCG(1, 1))
	read := 0
	for _, run := range []*results.Run{reporttest.Costed(t), reporttest.Mixture(t), reporttest.Sample(t)} {
		document, err := results.Encode(run)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			changed := withExtremes(r, document)
			hostile, err := results.Decode(changed)
			if err != nil {
				continue
			}
			read++
			doc := reporttest.Document(t, hostile)
			for _, f := range All() {
				_ = f.Write(io.Discard, []Document{doc, doc}) // an error will do
			}
		}
	}
	if read < 20 {
		t.Errorf("%d of 300 documents were read: the test is too weak", read)
	}
}

// manyOperations returns a document of 100,000 operations in 1,000 phases, with thresholds.
func manyOperations(t *testing.T) []byte {
	run := reporttest.Sample(t)
	run.Plan.Thresholds = []string{"put.p99 < 1s"}
	for i := range 998 {
		name := fmt.Sprint("p", i)
		planned := results.PlanPhase{Name: name, Duration: time.Second, Load: results.Load{Rate: 1000}}
		run.Plan.Phases = append(run.Plan.Phases, planned)
		run.Phases = append(run.Phases, results.Phase{Name: name, Length: time.Second})
		if i%50 == 0 {
			run.Plan.Thresholds = append(run.Plan.Thresholds, fmt.Sprintf("put-%d.completed >= 1", 100*i))
		}
	}
	document, err := results.Encode(run)
	if err != nil {
		t.Fatal(err)
	}
	var more strings.Builder
	for i := range 100_000 - len(run.Operations) {
		fmt.Fprintf(&more, `{"phase":"p%d","op":"put-%d","offered":20,"completed":17,"failed":3,"throughput":20,"error_rate":0.1,`+
			`"service_time":{"count":0,"min":0,"mean":0,"max":0},"errors":[{"code":"Unavailable","count":3}],"goodput":17},`, i%998, i)
	}
	const start = `"operations": [`
	return []byte(strings.Replace(string(document), start, start+more.String(), 1))
}

// A run of as many operations as a document may have ends in every format. All but the
// document itself show a part of the operations and say how many they omit.
func TestManyOperations(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("reports 100,000 operations in every format")
	}
	run, err := results.Decode(manyOperations(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range All() {
		var out bytes.Buffer
		begin := time.Now()
		if err := f.Write(&out, []Document{reporttest.Document(t, run)}); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		t.Logf("%s: %v, %d bytes", f.Name, time.Since(begin), out.Len())
		if f.Name == "json" || f.Name == "csv" { // all operations; those of the seconds
			continue
		}
		if out.Len() > 2<<20 || !regexp.MustCompile(`98[,.]?999|98999`).Match(out.Bytes()) {
			t.Errorf("%s: %d bytes, want at most 2 MiB that mention the other 98,999 operations", f.Name, out.Len())
		}
	}
}
