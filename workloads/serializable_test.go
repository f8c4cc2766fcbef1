package workloads

import (
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// A serializable read may lag behind the cluster, and does not go back on one connection to
// one member.
func TestSerializableReadsDoNotGoBack(t *testing.T) {
	type answer struct {
		revision int64
		member   uint64
		carrier  any
	}
	first := answer{5, 1, "tcp 1"}
	for name, test := range map[string]struct {
		answers []answer
		want    uint64
	}{
		"the same":          {[]answer{first, {5, 1, "tcp 1"}}, 0},
		"back":              {[]answer{first, {4, 1, "tcp 1"}}, 1},
		"back later":        {[]answer{first, {7, 1, "tcp 1"}, {6, 1, "tcp 1"}}, 1},
		"another member":    {[]answer{first, {4, 2, "tcp 1"}}, 0},
		"a new connection":  {[]answer{first, {4, 1, "tcp 2"}, {4, 1, "tcp 2"}}, 0},
		"back on a new one": {[]answer{first, {4, 1, "tcp 2"}, {3, 1, "tcp 2"}}, 1},
		"not known":         {[]answer{first, {4, 1, nil}}, 0},
	} {
		checker := consistency.New(consistency.Options{})
		checker.Begin(100)
		c := checkConns(checker, []grpc.ClientConnInterface{nil})[0].(*checkedConn)
		r := &pb.RangeRequest{Key: []byte("/a"), Serializable: true}
		for _, a := range test.answers {
			q := c.begin(r)
			c.end(q, r, &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: a.revision, MemberId: a.member}}, nil, a.carrier)
		}
		var proof results.Proof
		checker.Verify(&proof)
		if proof.Found != test.want {
			t.Errorf("%s: %+v", name, proof.Violations)
		}
	}
}

// A read that was sent before a later answer came may be older than that.
func TestReadsInFlightMayBeOlder(t *testing.T) {
	checker := consistency.New(consistency.Options{})
	c := checkConns(checker, []grpc.ClientConnInterface{nil})[0].(*checkedConn)
	r := &pb.RangeRequest{Key: []byte("/a")}
	at := func(revision int64) *pb.RangeResponse {
		return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: revision, MemberId: 1}}
	}
	early, late := c.begin(r), c.begin(r)
	c.end(late, r, at(9), nil, nil)
	c.end(early, r, at(7), nil, nil)
	var proof results.Proof
	if checker.Verify(&proof); proof.Found != 0 {
		t.Errorf("%+v", proof.Violations)
	}
	c.end(c.begin(r), r, at(8), nil, nil)
	if checker.Verify(&proof); proof.Found != 1 {
		t.Errorf("%+v", proof.Violations)
	}
}
