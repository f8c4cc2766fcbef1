package values

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// contents are the contents that give objects.
func contents() []string {
	list := []string{Objects}
	for _, k := range kinds() {
		list = append(list, Objects+":"+k.name)
	}
	return list
}

func newSource(t testing.TB, s Spec, seed uint64) *Source {
	t.Helper()
	choice, err := s.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	return choice.Source(seed)
}

// Each object is a message with the prefix and the envelope of Kubernetes, and is of a
// size asked for.
func TestObjectsAreFramed(t *testing.T) {
	for _, content := range contents() {
		for _, size := range []string{"", "2401", "3000-20000"} {
			spec := Spec{Content: content, Size: size}
			source, rng := newSource(t, spec, 1), rand.New(rand.NewPCG(1, 2))
			var buf []byte
			for range 30 {
				buf = source.Value(buf, rng)
				if len(buf) < source.Low || len(buf) > source.High {
					t.Fatalf("%s of %q: %d bytes", content, size, len(buf))
				}
				checkEnvelope(t, buf)
			}
		}
	}
}

// checkEnvelope reads runtime.Unknown around an object.
func checkEnvelope(t *testing.T, value []byte) {
	t.Helper()
	body, ok := bytes.CutPrefix(value, []byte("k8s\x00"))
	if !ok {
		t.Fatalf("no prefix: %q", value[:8])
	}
	var fields []protowire.Number
	for len(body) > 0 {
		field, wire, n := protowire.ConsumeTag(body)
		if n < 0 || wire != protowire.BytesType {
			t.Fatalf("field %d of type %d", field, wire)
		}
		content, m := protowire.ConsumeBytes(body[n:])
		if m < 0 {
			t.Fatalf("field %d: %v", field, protowire.ParseError(m))
		}
		if field == 2 && !bytes.HasPrefix(content, []byte{1<<3 | 2}) {
			t.Fatalf("an object without metadata: %q", content[:8])
		}
		fields, body = append(fields, field), body[n+m:]
	}
	if got := fmt.Sprint(fields); got != "[1 2 3 4 15]" {
		t.Fatalf("fields %s", got)
	}
}

// A stamp takes the room at the end of an object, which remains one.
func TestStampsKeepTheFrame(t *testing.T) {
	for _, content := range contents() {
		value := newSource(t, Spec{Content: content}, 1).Value(nil, rand.New(rand.NewPCG(1, 2)))
		stamp := ledger.Stamp{Phase: 3, Intended: 1e15, Sent: 2e15}
		stamp.Put(value, 7)
		checkEnvelope(t, value)
		if read, ok := ledger.ReadStamp(value, 7); !ok || read != stamp {
			t.Errorf("%s: the stamp is %+v, %v", content, read, ok)
		}
	}
}

// The least size of each kind can be made.
func TestLeastSizes(t *testing.T) {
	for _, k := range kinds() {
		for seed := range uint64(3) {
			for number := range 20 {
				if got := k.template(k.least, seed, number); len(got.data) != k.least {
					t.Fatalf("%s %d of seed %d: %d bytes, want %d", k.name, number, seed, len(got.data), k.least)
				}
			}
		}
		if _, err := (&Spec{Content: Objects + ":" + k.name, Size: fmt.Sprint(k.least - 1)}).Resolve(); err == nil {
			t.Errorf("%s of %d bytes was accepted", k.name, k.least-1)
		}
	}
}

// A value depends on the seed and on its generator alone, and objects differ.
func TestValuesAreDeterministic(t *testing.T) {
	for _, content := range append(contents(), Random, Half) {
		spec := Spec{Content: content, Size: "3000-4000"}
		one, same, other := newSource(t, spec, 1), newSource(t, spec, 1), newSource(t, spec, 2)
		seen := map[string]bool{}
		buf := []byte("old")
		for n := range uint64(50) {
			draw := func(s *Source, buf []byte) string { return string(s.Value(buf, rand.New(rand.NewPCG(1, n)))) }
			value := draw(one, nil)
			if value := same.Value(buf, rand.New(rand.NewPCG(1, n))); same.Made() {
				buf = value
			} else {
				buf = append(buf[:0], value...)
			}
			if value != string(buf) {
				t.Fatalf("%s: operation %d has two values", content, n)
			}
			if seen[value] || value == draw(other, nil) {
				t.Fatalf("%s: operation %d has the value of another one", content, n)
			}
			seen[value] = true
		}
	}
}

// The same variable is the same wherever it is in an object.
func TestNamesRepeat(t *testing.T) {
	source, rng := newSource(t, Spec{Content: "objects:leases"}, 1), rand.New(rand.NewPCG(1, 2))
	for range 20 {
		value := source.Value(nil, rng)
		at := bytes.Index(value, []byte("worker-"))
		if name := value[at : at+len("worker-0000")]; bytes.Count(value, name) != 3 {
			t.Fatalf("node %s is not name, owner and holder of %q", name, value)
		}
	}
}

func TestBadSpecs(t *testing.T) {
	for _, s := range []Spec{
		{Content: "nice"}, {Content: "objects:"}, {Content: "objects:frogs"}, {Content: "random:pods"}, {Size: Natural}, {Size: "-1"}, {Size: "9-1"},
		{Compressibility: 1.1}, {Compressibility: -1}, {Content: Half, Compressibility: 0.1}, {Content: Objects, Compressibility: 0.1},
		{Content: Objects, Size: "500"},
	} {
		if _, err := s.Resolve(); err == nil {
			t.Errorf("%+v was accepted", s)
		}
	}
}

// Making a value allocates nothing.
func TestAllocs(t *testing.T) {
	for _, content := range append(contents(), Random, Half) {
		source, rng := newSource(t, Spec{Content: content}, 1), rand.New(rand.NewPCG(1, 2))
		buf := make([]byte, source.High)
		if n := testing.AllocsPerRun(200, func() { source.Value(buf, rng) }); n != 0 {
			t.Errorf("%s: %v allocations per value", content, n)
		}
	}
}

// The share of random values that zstd removes is the one asked for, and the ratios of
// the kinds of objects are those in docs/workloads.md.
func TestCompression(t *testing.T) {
	if _, err := exec.LookPath("zstd"); err != nil {
		t.Skip("zstd is not installed")
	}
	for _, c := range []struct {
		spec                   Spec
		alone, block, together float64
	}{
		{Spec{}, 1, 1.5, 15.4},
		{Spec{Content: Half}, 1.6, 2.9, 20.2},
		{Spec{Compressibility: 0.75}, 2.7, 5.1, 26.6},
		{Spec{Content: "objects"}, 2.6, 4.4, 15.9},
		{Spec{Content: "objects:pods"}, 2.7, 6.3, 15},
		{Spec{Content: "objects:nodes"}, 2.5, 4.6, 15.3},
		{Spec{Content: "objects:leases"}, 1.3, 4.3, 4.9},
		{Spec{Content: "objects:events"}, 1.6, 4.7, 7},
		{Spec{Content: "objects:configmaps"}, 2.5, 5.2, 26.2},
	} {
		source, rng := newSource(t, c.spec, 1), rand.New(rand.NewPCG(1, 2))
		var alone, plain float64
		var all []byte
		for n := 0; len(all) < 2<<20; n++ {
			value := source.Value(nil, rng)
			if n < 20 {
				plain += float64(len(value))
				alone += float64(len(value)) / ratio(t, value)
			}
			all = append(all, value...)
		}
		alone, block, together := plain/alone, ratio(t, all[:64<<10]), ratio(t, all)
		t.Logf("%-20s %.1f alone, %.1f in blocks of 64 KiB, %.1f together", c.spec.Content, alone, block, together)
		for name, got := range map[string][2]float64{"alone": {alone, c.alone}, "in a block": {block, c.block}, "together": {together, c.together}} {
			if got[1] > 0 && (got[0] < 0.8*got[1] || got[0] > 1.2*got[1]) {
				t.Errorf("%+v: a ratio of %.2f %s, the documentation says %.1f", c.spec, got[0], name, got[1])
			}
		}
	}
}

// ratio is the size of data by its size after zstd -3.
func ratio(t *testing.T, data []byte) float64 {
	t.Helper()
	zstd := exec.CommandContext(t.Context(), "zstd", "-3", "-c", "-q")
	zstd.Stdin = bytes.NewReader(data)
	out, err := zstd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return float64(len(data)) / float64(len(out))
}

func BenchmarkValue(b *testing.B) {
	for _, content := range append(contents(), Random) {
		b.Run(content, func(b *testing.B) {
			source, rng := newSource(b, Spec{Content: content}, 1), rand.New(rand.NewPCG(1, 2))
			buf := make([]byte, source.High)
			source.Prepare()
			b.ReportAllocs()
			for b.Loop() {
				buf = source.Value(buf, rng)
			}
		})
	}
}

func BenchmarkPrepare(b *testing.B) {
	for _, size := range []string{Natural, "1000000"} {
		b.Run(size, func(b *testing.B) {
			for b.Loop() {
				newSource(b, Spec{Content: Objects, Size: size}, 1).Prepare()
			}
		})
	}
}
