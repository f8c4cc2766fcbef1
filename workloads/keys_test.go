package workloads

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// recorder keeps the requests instead of sending them.
type recorder struct{ requests []proto.Message }

func (r *recorder) Invoke(_ context.Context, _ string, req, reply any, _ ...grpc.CallOption) error {
	r.requests = append(r.requests, proto.Clone(req.(proto.Message)))
	if resp, ok := reply.(*pb.RangeResponse); ok {
		resp.Count = math.MaxInt64
	}
	return nil
}

func (*recorder) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	panic("no streams here")
}

func requests(t interface{ Fatal(...any) }, name string, seed uint64, params map[string]string, numbers []uint64) []proto.Message {
	r := &recorder{}
	w, err := New(name, Target{Conns: []grpc.ClientConnInterface{r}, Prefix: "/p/", Seed: seed}, params)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := w.NewWorker(context.Background(), 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		if err := worker.Do(context.Background(), &bench.Op{N: n}); err != nil {
			t.Fatal(err)
		}
	}
	return r.requests
}

// The same seed makes the same requests, whatever client does them and in
// whatever order; another seed makes others.
func TestSameSeedSameRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"put", "range"}).Draw(t, "workload")
		seed := rapid.Uint64().Draw(t, "seed")
		params := map[string]string{
			"keys":     rapid.SampledFrom(keyDistributions[:]).Draw(t, "keys"),
			"val-size": rapid.SampledFrom([]string{"0", "256", "10-5000"}).Draw(t, "size"),
		}
		n := rapid.Uint64Range(0, 1<<40).Draw(t, "n")
		one := requests(t, name, seed, params, []uint64{n, n + 1, n + 2})
		two := requests(t, name, seed, params, []uint64{n + 2, n, n + 1})
		for i := range one {
			if !proto.Equal(one[i], two[(i+1)%3]) {
				t.Fatalf("request %d differs:\n%v\n%v", i, one[i], two[(i+1)%3])
			}
		}
	})
	a := requests(t, "put", 1, nil, []uint64{5})[0].(*pb.PutRequest)
	b := requests(t, "put", 2, nil, []uint64{5})[0].(*pb.PutRequest)
	if bytes.Equal(a.Value, b.Value) && bytes.Equal(a.Key, b.Key) {
		t.Error("two seeds make the same request")
	}
}

func TestKeysAndValuesKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		space := rapid.Int64Range(1, 1_000_000).Draw(t, "space")
		size := rapid.IntRange(9, 60).Draw(t, "size")
		low := rapid.IntRange(0, 1000).Draw(t, "low")
		high := low + rapid.IntRange(0, 1000).Draw(t, "span")
		req := requests(t, "put", rapid.Uint64().Draw(t, "seed"), map[string]string{
			"keys":           rapid.SampledFrom(keyDistributions[:]).Draw(t, "keys"),
			"key-space-size": fmt.Sprint(space), "key-size": fmt.Sprint(size), "val-size": fmt.Sprintf("%d-%d", low, high),
		}, []uint64{rapid.Uint64().Draw(t, "n")})[0].(*pb.PutRequest)
		if len(req.Key) != size || !bytes.HasPrefix(req.Key, []byte("/p/")) {
			t.Fatalf("key %q is not %d bytes under /p/", req.Key, size)
		}
		var number int64
		if _, err := fmt.Sscan(string(bytes.TrimLeft(req.Key[3:len(req.Key)-1], "0"))+string(req.Key[len(req.Key)-1:]), &number); err != nil || number < 0 || number >= space {
			t.Fatalf("key %q is not one of %d: %v", req.Key, space, err)
		}
		if n := len(req.Value); n < low || n > high {
			t.Fatalf("value of %d bytes, want %d to %d", n, low, high)
		}
	})
}

func TestDistributions(t *testing.T) {
	const space, draws = 1000, 200_000
	counts := func(name string) []int {
		m := newKeyMaker(Keys{Size: 20, Space: space, Distribution: name, Theta: 0.99, HotKeys: 0.1, HotOps: 0.9}, Target{Prefix: "/p/", Seed: 3})
		c := make([]int, space)
		for n := range uint64(draws) {
			c[m.pick(&bench.Op{N: n})]++
		}
		return c
	}
	for i, n := range counts("sequential") {
		if n != draws/space {
			t.Fatalf("sequential: key %d came %d times, want %d", i, n, draws/space)
		}
	}
	for i, n := range counts("uniform") {
		if n < 120 || n > 290 { // 200 ± 6 standard deviations
			t.Fatalf("uniform: key %d came %d times, want about 200", i, n)
		}
	}
	hot := 0
	for _, n := range counts("hotspot")[:space/10] {
		hot += n
	}
	if share := float64(hot) / draws; math.Abs(share-0.9) > 0.01 {
		t.Errorf("hotspot: the hot tenth got %.3f of the operations, want 0.9", share)
	}
	// The most popular of 1,000 keys gets 1/zeta(1000, 0.99) of the draws.
	most := 0
	for _, n := range counts("zipfian") {
		most = max(most, n)
	}
	if want := 1 / zeta(space, 0.99); float64(most)/draws < want*0.95 {
		t.Errorf("zipfian: the most popular key got %.4f of the draws, want at least %.4f", float64(most)/draws, want)
	}
	// latest prefers what was written last, whenever one asks.
	m := newKeyMaker(Keys{Size: 20, Space: space, Distribution: "latest", Theta: 0.99}, Target{Prefix: "/p/", Seed: 3})
	near := 0
	for n := range uint64(draws) {
		if (int64(n%space)-m.pick(&bench.Op{N: n})+space)%space < 10 {
			near++
		}
	}
	if share := float64(near) / draws; share < 0.3 {
		t.Errorf("latest: only %.3f of the draws were among the ten newest keys", share)
	}
}

// Sequential keys go on from phase to phase, one after the other, also with several
// to an operation.
func TestSequentialKeysGoOn(t *testing.T) {
	const space = 1000
	for _, each := range []int{1, 3} {
		m := newKeyMaker(Keys{Size: 20, Space: space, Distribution: "sequential"}, Target{Prefix: "/p/"})
		next, before := int64(0), uint64(0)
		for phase, operations := range []uint64{7, 300, 40} {
			for n := range operations {
				for _, number := range m.several(nil, &bench.Op{Phase: phase, N: n, Before: before}, each) {
					if number != next%space {
						t.Fatalf("%d keys an operation: operation %d of phase %d has key %d, want %d", each, n, phase, number, next%space)
					}
					next++
				}
			}
			before += operations
		}
	}
}

// All keys of a transaction follow latest: near the newest, in later phases, too.
func TestLatestOfSeveralKeys(t *testing.T) {
	const space, each, operations = 10_000, 5, 20_000
	m := newKeyMaker(Keys{Size: 20, Space: space, Distribution: "latest", Theta: 0.99}, Target{Prefix: "/p/", Seed: 3})
	var near [each]int
	for n := range uint64(operations) {
		op := &bench.Op{Phase: 1, N: n, Before: 123}
		newest := int64((123 + n) * each % space)
		for i, number := range m.several(nil, op, each) {
			if (newest-number+space)%space < 100 {
				near[i]++
			}
		}
	}
	for i, n := range near { // the first draws are repeated less often than the newest key is taken
		if share := float64(n) / operations; share < 0.4 {
			t.Errorf("key %d of a transaction: %.3f of the draws were among the 100 newest, want as many as of the first (%v)", i, share, near)
		}
	}
}

func TestZetaBeyondTheExactSum(t *testing.T) {
	exact := 0.0
	for i := 1; i <= 3_000_000; i++ {
		exact += math.Pow(float64(i), -0.99)
	}
	if got := zeta(3_000_000, 0.99); math.Abs(got-exact)/exact > 1e-9 {
		t.Errorf("zeta = %v, want %v", got, exact)
	}
}

func TestPrefixEnd(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "/x/": "/x0", "a\xff": "b", "\xff\xff": "\x00"} {
		if got := string(prefixEnd(prefix)); got != want {
			t.Errorf("end of %q is %q, want %q", prefix, got, want)
		}
	}
}

// Every workload's parameters have a usage, and a name means the same everywhere;
// only defaults differ.
func TestParameters(t *testing.T) {
	seen := map[string]*pflag.Flag{}
	for _, e := range All() {
		fs := pflag.NewFlagSet(e.Name, pflag.ContinueOnError)
		e.Define().AddFlags(fs)
		fs.VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no usage", e.Name, f.Name)
			}
			if old := seen[f.Name]; old != nil && (old.Usage != f.Usage || old.Value.Type() != f.Value.Type()) {
				t.Errorf("--%s means %q (%s) and %q (%s)", f.Name, old.Usage, old.Value.Type(), f.Usage, f.Value.Type())
			}
			seen[f.Name] = f
		})
	}
}

func TestBadParameters(t *testing.T) {
	for _, params := range []map[string]string{
		{"read-end": "b"}, {"read-key": "a", "read-end": "b", "span": "prefix"}, {"read-key": "a", "span": "3"}, {"span": "0"}, {"span": "x"},
	} {
		if _, err := New("range", Target{Prefix: "/p/"}, params); err == nil {
			t.Errorf("range with %v was taken", params)
		}
	}
	for _, params := range []map[string]string{{"limit": "-1"}, {"span": "x"}} {
		if _, err := New("txn-mixed", Target{Prefix: "/p/"}, params); err == nil {
			t.Errorf("txn-mixed with %v was taken", params)
		}
	}
	for _, params := range []map[string]string{
		{"key-size": "3"}, {"key-space-size": "0"}, {"keys": "x"}, {"val-size": "-1"}, {"val-size": "1-"}, {"val-size": "9999999"},
		{"zipf-theta": "1"}, {"zipf-theta": "NaN"}, {"hot-keys": "0"}, {"hot-ops": "2"}, {"compact-interval": "-1s"}, {"no-such": "1"}, {"values": "nice"},
		{"values": "objects:pods", "val-size": "100"}, {"compressibility": "2"},
	} {
		if _, err := New("put", Target{Prefix: "/p/"}, params); err == nil {
			t.Errorf("put with %v was taken", params)
		}
	}
}

func FuzzValSize(f *testing.F) {
	for _, s := range []string{"256", "1-2", "", "-", "9-1", "00", "1e3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, size string) {
		v := Values{Spec: values.Spec{Size: size}}
		if c := &v.choice; v.validate(48) == nil && (c.Low < 0 || c.Low > c.High || c.High > maxRequest) {
			t.Errorf("%q was taken as %d to %d", size, c.Low, c.High)
		}
	})
}

func BenchmarkPutRequest(b *testing.B) {
	for _, keys := range keyDistributions {
		b.Run(keys, func(b *testing.B) {
			k := Keys{Size: 48, Space: 100_000, Distribution: keys, Theta: 0.99, HotKeys: 0.2, HotOps: 0.8}
			m := newKeyMaker(k, Target{Prefix: "/p/", Seed: 1})
			pool := values.Choice{Low: 256, High: 256}.Source(1)
			var key []byte
			var op bench.Op
			b.ReportAllocs()
			for n := uint64(0); b.Loop(); n++ {
				op.N = n
				key = m.appendKey(key, m.pick(&op))
				pool.Value(nil, m.rng.rand())
			}
		})
	}
}
