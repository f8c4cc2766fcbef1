package workloads

import (
	"context"
	"fmt"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
)

func TestLargestWrite(t *testing.T) {
	const key = 48 + requestOverhead
	for _, c := range []struct {
		workload string
		params   map[string]string
		want     int64
	}{
		{"put", nil, key + 256},
		{"put", map[string]string{"val-size": "100-4000", "key-size": "1000"}, 1000 + requestOverhead + 4000},
		{"txn-put", nil, 10 * (key + 256)},
		{"txn-put", map[string]string{"txn-ops": "3", "val-size": "1000"}, 3 * (key + 1000)},
		{"stm", map[string]string{"keys-per-txn": "5"}, 5 * (key + 256)},
		{"lease-revoke", map[string]string{"keys-per-lease": "20", "val-size": "10", "key-size": "40"}, 20 * (40 + requestOverhead + 10)},
		{"lease-attach", map[string]string{"keys-per-lease": "20"}, key + 256},
		{"lease-grant", nil, requestOverhead},
		{"txn-put", map[string]string{"txn-ops": "100", "val-size": "1000000"}, maxRequest},
		{"none", nil, 0},
	} {
		got := LargestWrite([]results.PlanEntry{{Workload: "lease-grant"}, {Workload: c.workload, Params: c.params}})
		if got != max(c.want, requestOverhead) {
			t.Errorf("%s with %v: %d bytes, want %d", c.workload, c.params, got, c.want)
		}
	}
}

func TestLargestPopulation(t *testing.T) {
	for _, c := range []struct {
		population results.PlanPopulation
		want       int64
	}{
		{results.PlanPopulation{Keys: 10, KeySize: 36, ValSize: "100"}, 10 * 200},
		{results.PlanPopulation{Keys: 1e6, KeySize: 36, ValSize: "10-100"}, populators * populateOps * 200},
		{results.PlanPopulation{Keys: 1e6, KeySize: 36, ValSize: "100000"}, populators * populateBytes},
		{results.PlanPopulation{Keys: 1e6, KeySize: 36, ValSize: "1000000"}, populators * 1_000_100},
	} {
		plan := &results.Plan{Population: []results.PlanPopulation{{Keys: 1, ValSize: "1"}, c.population}}
		if got := LargestPopulation(plan); got != c.want {
			t.Errorf("%+v: %d bytes, want %d", c.population, got, c.want)
		}
	}
}

// Keys that a workload writes before its load are counted as well.
func TestLargestPopulationOfWorkloads(t *testing.T) {
	for _, c := range []struct {
		workload string
		params   map[string]string
		want     int64
	}{
		{"put", map[string]string{"val-size": "100000"}, 0},
		{"range", map[string]string{"val-size": "100000", "key-space-size": "1000"}, populators * populateBytes},
		{"range", map[string]string{"val-size": "100000", "key-space-size": "10"}, 10 * (48 + requestOverhead + 100_000)},
		{"txn-cas", map[string]string{"val-size": "100000", "key-space-size": "1000"}, populators * populateBytes},
		{"delete", map[string]string{"val-size": "100000", "key-space-size": "1000"}, populators * populateBytes},
	} {
		plan := &results.Plan{Workload: c.workload, Params: c.params, Prefix: "/p/"}
		if got := LargestPopulation(plan); got != c.want {
			t.Errorf("%s with %v: %d bytes, want %d", c.workload, c.params, got, c.want)
		}
	}
}

// endlessConn answers each range with a page of keys that are larger than the last ones.
type endlessConn struct {
	grpc.ClientConnInterface
	count func(page int) int64
	pages int
}

func (e *endlessConn) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	r := reply.(*pb.RangeResponse)
	r.Header, r.More, r.Count = &pb.ResponseHeader{Revision: 5}, true, e.count(e.pages)
	for i := range keyPage {
		r.Kvs = append(r.Kvs, &keyValue{Key: fmt.Appendf(nil, "/p/%09d", e.pages*keyPage+i)})
	}
	e.pages++
	return nil
}

// Keys without an end are read only as far as the server has counted them, and never more
// than a database holds.
func TestEndlessPages(t *testing.T) {
	for name, count := range map[string]func(page int) int64{
		"counted once": func(int) int64 { return 10 * keyPage },
		"counted less": func(page int) int64 { return int64(10-page) * keyPage },
		"counted anew": func(page int) int64 { return int64(page+10) * keyPage },
		"not counted":  func(int) int64 { return 0 },
	} {
		e := &endlessConn{count: count}
		read := 0
		err := eachKey(t.Context(), Target{Conns: []grpc.ClientConnInterface{e}, Prefix: "/p/"}, 0, true, func(*keyValue, int64) { read++ })
		if err == nil || !strings.Contains(err.Error(), "more keys than it counted") || e.pages > 11 {
			t.Errorf("%s: %v after %d pages", name, err, e.pages)
		}
	}
}
