package workloads

import (
	"fmt"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// A violation names the keys of the request, whatever the request does.
func TestRequestKeys(t *testing.T) {
	put := func(key string) *pb.RequestOp {
		return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key)}}}
	}
	get := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("/a")}}}
	var many []*pb.RequestOp
	for n := range 9 {
		many = append(many, put(fmt.Sprint("/", n)))
	}
	for want, request := range map[string]any{
		"/put":                      &pb.PutRequest{Key: []byte("/put")},
		"/get":                      &pb.RangeRequest{Key: []byte("/get")},
		"[/a, /b)":                  &pb.RangeRequest{Key: []byte("/a"), RangeEnd: []byte("/b")},
		"/delete":                   &pb.DeleteRangeRequest{Key: []byte("/delete")},
		"/a":                        &pb.TxnRequest{Success: []*pb.RequestOp{put("/a")}, Failure: []*pb.RequestOp{get}},
		"/a, /b":                    &pb.TxnRequest{Success: []*pb.RequestOp{put("/a"), put("/b")}},
		"/0, /1, /2, /3 and 5 more": &pb.TxnRequest{Success: many},
		"":                          &pb.LeaseRevokeRequest{ID: 7},
	} {
		if got := requestKeys(request); got != want {
			t.Errorf("%T: %q, want %q", request, got, want)
		}
	}
}
