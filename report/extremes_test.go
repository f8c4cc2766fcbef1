package report

import (
	"fmt"
	"io"
	"math/rand/v2"
	"regexp"
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

// A run of as many operations as a document may have ends in every format.
func TestManyOperations(t *testing.T) {
	t.Parallel()
	run := reporttest.Sample(t)
	one := run.Operations[0]
	for i := len(run.Operations); i < 10_000; i++ {
		o := one
		o.Op = fmt.Sprint("put-", i)
		run.Operations = append(run.Operations, o)
	}
	document, err := results.Encode(run)
	if err != nil {
		t.Fatal(err)
	}
	if run, err = results.Decode(document); err != nil {
		t.Fatal(err)
	}
	for _, f := range All() {
		begin := time.Now()
		_ = f.Write(io.Discard, []Document{reporttest.Document(t, run)}) // an error will do
		t.Logf("%s: %v", f.Name, time.Since(begin))
	}
}
