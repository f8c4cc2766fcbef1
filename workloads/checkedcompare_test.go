package workloads

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// checkedAnswers are answers to requests that are handed to a checker.
type checkedAnswers struct {
	*checkedConn
	checker *consistency.Checker
}

func newCheckedAnswers() checkedAnswers {
	checker := consistency.New(consistency.Options{Exclusive: true})
	checker.Begin(1)
	return checkedAnswers{checkConns(checker, []grpc.ClientConnInterface{nil})[0].(*checkedConn), checker}
}

func (c checkedAnswers) answered(request, reply any) {
	q := c.begin(request)
	c.end(q, request, reply, nil, nil)
}

func (c checkedAnswers) found() uint64 {
	var proof results.Proof
	c.checker.Verify(&proof)
	return proof.Found
}

func header(revision int64) *pb.ResponseHeader {
	return &pb.ResponseHeader{Revision: revision, MemberId: 1}
}

// The targets of comparisons.
const (
	mod      = pb.Compare_MOD
	creation = pb.Compare_CREATE
	version  = pb.Compare_VERSION
)

// equal compares a key for equality.
func equal(key string, target pb.Compare_CompareTarget, value int64) *pb.Compare {
	c := &pb.Compare{Key: []byte(key), Target: target, Result: pb.Compare_EQUAL}
	switch target {
	case pb.Compare_MOD:
		c.TargetUnion = &pb.Compare_ModRevision{ModRevision: value}
	case pb.Compare_CREATE:
		c.TargetUnion = &pb.Compare_CreateRevision{CreateRevision: value}
	default:
		c.TargetUnion = &pb.Compare_Version{Version: value}
	}
	return c
}

// A transaction succeeds if and only if all of its comparisons hold, of whichever kind: /a was
// put at revisions 2 and 4, /b at 3, and /c never.
func TestComparisons(t *testing.T) {
	t.Parallel()
	a := &mvccpb.KeyValue{Key: []byte("/a"), CreateRevision: 2, ModRevision: 4, Version: 2, Value: []byte{2}}
	for name, test := range map[string]struct {
		compare   []*pb.Compare
		succeeded bool
		want      bool
	}{
		"both hold":                       {[]*pb.Compare{equal("/a", mod, 4), equal("/b", mod, 3)}, true, false},
		"the second does not":             {[]*pb.Compare{equal("/a", mod, 4), equal("/b", mod, 2)}, true, true},
		"the first does not":              {[]*pb.Compare{equal("/a", mod, 2), equal("/b", mod, 3)}, true, true},
		"creation":                        {[]*pb.Compare{equal("/a", creation, 2)}, true, false},
		"no creation":                     {[]*pb.Compare{equal("/c", creation, 0)}, true, false},
		"exists, said not to":             {[]*pb.Compare{equal("/a", creation, 0)}, true, true},
		"version":                         {[]*pb.Compare{equal("/b", version, 0)}, true, true},
		"conflict of a":                   {[]*pb.Compare{equal("/a", mod, 2)}, false, false},
		"no conflict":                     {[]*pb.Compare{equal("/a", mod, 4)}, false, true},
		"conflict of b":                   {[]*pb.Compare{equal("/a", mod, 4), equal("/b", mod, 4)}, false, false},
		"no conflict of a, b not known":   {[]*pb.Compare{equal("/a", mod, 4), equal("/c", mod, 1)}, false, false},
		"no conflict of a's creation":     {[]*pb.Compare{equal("/a", creation, 2)}, false, true},
		"no conflict of several":          {[]*pb.Compare{equal("/a", creation, 2), equal("/a", mod, 4)}, false, true},
		"conflict of a creation":          {[]*pb.Compare{equal("/a", creation, 0)}, false, false},
		"no conflict of absence of c":     {[]*pb.Compare{equal("/c", creation, 0)}, false, true},
		"conflict of the absence of c, b": {[]*pb.Compare{equal("/c", creation, 0), equal("/b", creation, 0)}, false, false},
	} {
		c := newCheckedAnswers()
		for i, key := range []string{"/a", "/b", "/a"} {
			c.answered(&pb.PutRequest{Key: []byte(key), Value: []byte{byte(i)}}, &pb.PutResponse{Header: header(int64(i + 2))})
		}
		c.checker.Claim([]byte("/c"))
		txn := &pb.TxnRequest{Compare: test.compare, Success: []*pb.RequestOp{putOp("/c", "new")}}
		reply := &pb.TxnResponse{Header: header(5), Succeeded: true, Responses: []*pb.ResponseOp{
			{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}},
		}}
		for _, key := range []string{"/a", "/c"} {
			read := &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}
			txn.Failure = append(txn.Failure, &pb.RequestOp{Request: read})
		}
		if !test.succeeded {
			reply = &pb.TxnResponse{Header: header(4), Responses: []*pb.ResponseOp{
				{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{Kvs: []*mvccpb.KeyValue{a}}}},
				{Response: &pb.ResponseOp_ResponseRange{ResponseRange: &pb.RangeResponse{}}},
			}}
		}
		c.answered(txn, reply)
		if got := c.found() > 0; got != test.want {
			t.Errorf("%s: violation %v, want %v", name, got, test.want)
		}
	}
}

func putOp(key, value string) *pb.RequestOp {
	return &pb.RequestOp{Request: &pb.RequestOp_RequestPut{RequestPut: &pb.PutRequest{Key: []byte(key), Value: []byte(value)}}}
}

// A read of many keys that leaves one out is found sooner or later, unless the answer ends before it.
func TestMissingKey(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request *pb.RangeRequest
		more    bool
		want    bool
	}{
		"left out":             {&pb.RangeRequest{Key: []byte("/k/"), RangeEnd: []byte("/k0")}, false, true},
		"beyond the limit":     {&pb.RangeRequest{Key: []byte("/k/"), RangeEnd: []byte("/k0"), Limit: 10}, true, false},
		"beyond the range":     {&pb.RangeRequest{Key: []byte("/k/"), RangeEnd: []byte("/k/10")}, false, false},
		"of another order":     {&pb.RangeRequest{Key: []byte("/k/"), RangeEnd: []byte("/k0"), SortOrder: pb.RangeRequest_DESCEND}, false, false},
		"filtered by revision": {&pb.RangeRequest{Key: []byte("/k/"), RangeEnd: []byte("/k0"), MaxModRevision: 11}, false, false},
	} {
		c := newCheckedAnswers()
		reply := &pb.RangeResponse{Header: header(21), More: test.more}
		for i := range 20 {
			key := []byte{'/', 'k', '/', byte('0' + i/10), byte('0' + i%10)}
			c.answered(&pb.PutRequest{Key: key, Value: key}, &pb.PutResponse{Header: header(int64(i + 2))})
			if i < 10 {
				revision := int64(i + 2)
				kv := &mvccpb.KeyValue{Key: key, Value: key, CreateRevision: revision, ModRevision: revision, Version: 1}
				reply.Kvs = append(reply.Kvs, kv)
			}
		}
		found := false
		for n := range 10_000 {
			q := c.begin(test.request)
			q.Sent = c.checker.Now() + 1
			c.end(q, test.request, reply, nil, nil)
			if n%100 == 0 && c.found() > 0 {
				found = true
				break
			}
		}
		if found != test.want {
			t.Errorf("%s: violation %v, want %v", name, found, test.want)
		}
	}
}

// The answer of a RangeStream is checked with the revision of its last part.
func TestStreamIsChecked(t *testing.T) {
	t.Parallel()
	for modified, want := range map[int64]uint64{3: 0, 2: 1} {
		c := newCheckedAnswers()
		for i := range int64(2) {
			c.answered(&pb.PutRequest{Key: []byte("/a"), Value: []byte{byte(i)}}, &pb.PutResponse{Header: header(i + 2)})
		}
		kv := &mvccpb.KeyValue{
			Key: []byte("/a"), Value: []byte{byte(modified - 2)}, CreateRevision: 2, ModRevision: modified, Version: modified - 1,
		}
		answer := &parts{list: []*pb.RangeResponse{{Kvs: []*mvccpb.KeyValue{kv}}, {Header: header(3)}}}
		s := &checkedStream{ClientStream: answer, conn: c.checkedConn}
		if err := s.SendMsg(&pb.RangeRequest{Key: []byte("/"), RangeEnd: []byte("0")}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.RecvMsg(&pb.RangeStreamResponse{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.found(); got != want {
			t.Errorf("modified at %d: %d violations, want %d", modified, got, want)
		}
	}
}

// The answer of a RangeStream has each followed key that exists, up to its last key if there are more.
func TestStreamWithMissingKeys(t *testing.T) {
	t.Parallel()
	const keys = 30
	for name, test := range map[string]struct {
		left  map[int]bool
		limit int // keys of the answer
		want  uint64
	}{
		"complete":            {nil, keys, 0},
		"first left out":      {map[int]bool{0: true}, keys, 1},
		"last left out":       {map[int]bool{keys - 1: true}, keys, 1},
		"two left out":        {map[int]bool{11: true, 12: true}, keys, 2},
		"a part left out":     {map[int]bool{7: true, 8: true, 9: true, 10: true, 11: true, 12: true, 13: true}, keys, 7},
		"limited":             {nil, 12, 0},
		"limited, one of two": {map[int]bool{3: true, 20: true}, 12, 1},
	} {
		c := newCheckedAnswers()
		var list []*mvccpb.KeyValue
		for i := range keys {
			key, revision := fmt.Appendf(nil, "/k/%02d", i), int64(i+2)
			c.answered(&pb.PutRequest{Key: key, Value: key}, &pb.PutResponse{Header: header(revision)})
			if i < test.limit && !test.left[i] {
				list = append(list, &mvccpb.KeyValue{Key: key, Value: key, CreateRevision: revision, ModRevision: revision, Version: 1})
			}
		}
		c.answered(&pb.PutRequest{Key: []byte("/other")}, &pb.PutResponse{Header: header(keys + 2)})
		answer := &parts{}
		for chunk := range slices.Chunk(list, 7) {
			answer.list = append(answer.list, &pb.RangeResponse{Kvs: chunk})
		}
		last := answer.list[len(answer.list)-1]
		last.Header, last.More = header(keys+2), test.limit < keys
		s := &checkedStream{ClientStream: answer, conn: c.checkedConn}
		if err := s.SendMsg(&pb.RangeRequest{Key: []byte("/k/"), RangeEnd: []byte("/k0")}); err != nil {
			t.Fatal(err)
		}
		for range len(answer.list) {
			if err := s.RecvMsg(&pb.RangeStreamResponse{}); err != nil {
				t.Fatal(err)
			}
		}
		if got := c.found(); got > 0 {
			t.Errorf("%s: %d violations before the end", name, got)
		}
		if err := s.RecvMsg(&pb.RangeStreamResponse{}); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if got := c.found(); got != test.want {
			t.Errorf("%s: %d violations, want %d", name, got, test.want)
		}
	}
}

// What the checks add to a RangeStream, for each of its keys: with keys that are all followed, and with few that are.
func BenchmarkStream(b *testing.B) {
	for _, keys := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("keys=%d", keys), func(b *testing.B) {
			c := newCheckedAnswers()
			stop := make(chan struct{})
			defer close(stop)
			go c.checker.Run(stop)
			var list []*mvccpb.KeyValue
			for i := range keys {
				key, revision := fmt.Appendf(nil, "/registry/pods/namespace-1/%021d", i), int64(i+2)
				c.answered(&pb.PutRequest{Key: key, Value: key}, &pb.PutResponse{Header: header(revision)})
				list = append(list, &mvccpb.KeyValue{Key: key, Value: key, CreateRevision: revision, ModRevision: revision, Version: 1})
			}
			var chunks []*pb.RangeResponse
			for chunk := range slices.Chunk(list, 500) {
				chunks = append(chunks, &pb.RangeResponse{Kvs: chunk})
			}
			chunks[len(chunks)-1].Header = header(int64(keys + 1))
			request, reply := &pb.RangeRequest{Key: []byte("/"), RangeEnd: []byte("0")}, &pb.RangeStreamResponse{}
			b.ReportAllocs()
			n := 0
			for ; b.Loop(); n++ {
				s := &checkedStream{ClientStream: &parts{list: chunks}, conn: c.checkedConn}
				_ = s.SendMsg(request)
				for s.RecvMsg(reply) == nil {
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*keys), "ns/key")
			if found := c.found(); found > 0 {
				b.Errorf("%d violations", found)
			}
		})
	}
}

// parts is a stream of these responses.
type parts struct {
	grpc.ClientStream
	list []*pb.RangeResponse
}

func (*parts) SendMsg(any) error { return nil }

func (p *parts) RecvMsg(m any) error {
	if len(p.list) == 0 {
		return io.EOF
	}
	m.(*pb.RangeStreamResponse).RangeResponse, p.list = p.list[0], p.list[1:]
	return nil
}
