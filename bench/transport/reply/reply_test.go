package reply

import (
	"math"
	"strings"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

func TestCheck(t *testing.T) {
	header := &pb.ResponseHeader{Revision: 7}
	kv := &mvccpb.KeyValue{Key: []byte("k"), CreateRevision: 2, ModRevision: 3, Version: 2}
	get := &pb.RequestOp{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte("k")}}}
	got := func(r *pb.RangeResponse) *pb.ResponseOp {
		return &pb.ResponseOp{Response: &pb.ResponseOp_ResponseRange{ResponseRange: r}}
	}
	put := &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{}}}
	done := &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}}
	absent := &pb.TxnRequest{Failure: []*pb.RequestOp{get}, Success: []*pb.RequestOp{put}, Compare: []*pb.Compare{{
		Key: []byte("k"), Target: pb.Compare_CREATE, TargetUnion: &pb.Compare_CreateRevision{},
	}}}
	page := &pb.RangeRequest{Key: []byte("k"), Limit: 10, SortTarget: pb.RangeRequest_KEY}
	for name, test := range map[string]struct {
		request, reply any
		want           string
	}{
		"put":                       {nil, &pb.PutResponse{Header: header}, ""},
		"put without header":        {nil, &pb.PutResponse{}, "no header"},
		"negative revision":         {nil, &pb.PutResponse{Header: &pb.ResponseHeader{Revision: -1}}, "revision is -1"},
		"largest revision":          {nil, &pb.PutResponse{Header: &pb.ResponseHeader{Revision: math.MaxInt64}}, "revision is 9223372036854775807"},
		"range":                     {page, &pb.RangeResponse{Header: header, Kvs: []*mvccpb.KeyValue{kv}, More: true}, ""},
		"range without a key":       {page, &pb.RangeResponse{Header: header, Kvs: []*mvccpb.KeyValue{{}}}, "without a key"},
		"more of nothing":           {page, &pb.RangeResponse{Header: header, More: true}, "empty page"},
		"more of nothing, no limit": {&pb.RangeRequest{}, &pb.RangeResponse{Header: header, More: true}, "empty page"},
		"a page that goes back":     {page, &pb.RangeResponse{Header: header, More: true, Kvs: []*mvccpb.KeyValue{{Key: []byte("a")}}}, "ends before"},
		"negative count":            {page, &pb.RangeResponse{Header: header, Count: -1}, "-1 keys"},
		"stream without range":      {nil, &pb.RangeStreamResponse{}, "no range"},
		"negative deletions":        {nil, &pb.DeleteRangeResponse{Header: header, Deleted: -1}, "-1 keys"},
		"txn":                       {absent, &pb.TxnResponse{Header: header, Succeeded: true, Responses: []*pb.ResponseOp{done}}, ""},
		"txn without responses":     {absent, &pb.TxnResponse{Header: header}, "0 responses to the 1 operations"},
		"response of another kind":  {absent, &pb.TxnResponse{Header: header, Responses: []*pb.ResponseOp{done}}, "another kind"},
		"empty response":            {absent, &pb.TxnResponse{Header: header, Responses: []*pb.ResponseOp{{}}}, "another kind"},
		"range without header":      {absent, &pb.TxnResponse{Header: header, Responses: []*pb.ResponseOp{got(&pb.RangeResponse{})}}, "no header"},
		"existing key without keys": {absent, &pb.TxnResponse{Header: header, Responses: []*pb.ResponseOp{got(&pb.RangeResponse{Header: header})}}, "not for its range"},
		"existing key": {absent, &pb.TxnResponse{
			Header: header, Responses: []*pb.ResponseOp{got(&pb.RangeResponse{Header: header, Kvs: []*mvccpb.KeyValue{kv}})},
		}, ""},
		"events":               {nil, &pb.WatchResponse{Header: header, Events: []*mvccpb.Event{{Kv: kv}, {Kv: kv, Type: mvccpb.DELETE}}}, ""},
		"event without a key":  {nil, &pb.WatchResponse{Header: header, Events: []*mvccpb.Event{{}}}, "without a key"},
		"event of a type":      {nil, &pb.WatchResponse{Header: header, Events: []*mvccpb.Event{{Kv: kv, Type: 7}}}, "type 7"},
		"watch without header": {nil, &pb.WatchResponse{}, "no header"},
		"another lease":        {&pb.LeaseGrantRequest{ID: 5}, &pb.LeaseGrantResponse{ID: 6}, "lease 6 instead of 5"},
		"lease without ID":     {&pb.LeaseGrantRequest{}, &pb.LeaseGrantResponse{}, "without an ID"},
		"endless lease":        {nil, &pb.LeaseKeepAliveResponse{TTL: math.MaxInt64}, "time to live"},
		"status":               {nil, &pb.StatusResponse{Header: header}, ""},
		"status, no header":    {nil, &pb.StatusResponse{}, "no header"},
		"negative size":        {nil, &pb.StatusResponse{Header: header, DbSize: -1}, "size of the database"},
		"long version":         {nil, &pb.StatusResponse{Header: header, Version: strings.Repeat("3", 100)}, "version of 100 bytes"},
	} {
		err := Check(pb.KV_Txn_FullMethodName, test.request, test.reply)
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), "invalid reply to Txn: ") || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, want %q", name, err, test.want)
		case test.want == "":
			if n := testing.AllocsPerRun(100, func() { _ = Check(pb.KV_Txn_FullMethodName, test.request, test.reply) }); n > 0 {
				t.Errorf("%s: %v allocations", name, n)
			}
		}
	}
}

// The identifiers of a stream's watches are unique while they exist.
func TestStream(t *testing.T) {
	s := Stream{Method: pb.Watch_Watch_FullMethodName}
	header := &pb.ResponseHeader{Revision: 1}
	for i, m := range []struct {
		response *pb.WatchResponse
		good     bool
	}{
		{&pb.WatchResponse{Header: header, WatchId: 1, Created: true}, true},
		{&pb.WatchResponse{Header: header, WatchId: 2, Created: true}, true},
		{&pb.WatchResponse{Header: header, WatchId: 1}, true},
		{&pb.WatchResponse{Header: header, WatchId: 1, Created: true}, false},
		{&pb.WatchResponse{Header: header, WatchId: 1, Canceled: true}, true},
		{&pb.WatchResponse{Header: header, WatchId: 1, Created: true}, false},                 // it may not be forgotten yet
		{&pb.WatchResponse{Header: header, WatchId: -1, Created: true, Canceled: true}, true}, // a refused watch
		{&pb.WatchResponse{Header: header, WatchId: -1}, true},                                // progress of all
		{&pb.WatchResponse{Header: header, WatchId: -1, Created: true}, false},
		{&pb.WatchResponse{WatchId: 5, Created: true}, false},
	} {
		if err := s.Check(m.response); (err == nil) != m.good {
			t.Errorf("message %d: %v", i, err)
		}
	}
}
