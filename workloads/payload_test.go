package workloads_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// What the cost of a client's bytes is made of is the messages, byte for byte, and nothing
// of what carries them: reports call it payload.
func TestClientBytesAreThePayload(t *testing.T) {
	c := workloadstest.StartCluster(t, 1)
	endpoint := c.Members()[0].Endpoint
	sources := map[string]string{}
	for _, m := range results.Metrics() {
		sources[m.Name] = m.Source
	}
	var from []string
	for _, f := range results.CostFigures() {
		if f.Name == "client_bytes" {
			from = f.From
			if !strings.Contains(f.Label, "gRPC payload") {
				t.Errorf("client bytes are called %q", f.Label)
			}
		}
	}
	read := func() (sum float64) {
		r, err := http.Get("http://" + endpoint + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), " ")
			for _, metric := range from {
				if v, err := strconv.ParseFloat(value, 64); err == nil && name == sources[metric] {
					sum += v
				}
			}
		}
		return sum
	}
	kv := pb.NewKVClient(workloadstest.Dial(t, 1, endpoint)[0])
	before, payload := read(), 0
	for n := range 50 {
		request := &pb.PutRequest{Key: []byte("/payload/" + strconv.Itoa(n)), Value: bytes.Repeat([]byte("v"), 10*n)}
		response, err := kv.Put(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		payload += proto.Size(request) + proto.Size(response)
	}
	if got := read() - before; got != float64(payload) {
		t.Errorf("the member counted %v bytes for %d bytes of messages", got, payload)
	}
}
