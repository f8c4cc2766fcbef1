package workloads

import (
	"context"
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// Of the keys of an answer with many, compared are compared at most, and so many followed keys are
// looked for that may be missing.
const (
	compared = 32
	missed   = 2
)

// content checks the keys that were read.
func (c *checkedConn) content(q inquiry, r *pb.RangeRequest, answer *pb.RangeResponse, a consistency.Answer) {
	at := a.Revision
	if r.Revision > 0 {
		at = r.Revision
	}
	if len(answer.Kvs) == 0 && oneKey(r) {
		if q.key != 0 {
			c.checker.Read(q.key, q.Call, a, consistency.Read{Revision: at})
		}
		return
	}
	step := max(1, (len(answer.Kvs)+compared-1)/compared)
	for i := int(uint64(q.Sent) % uint64(step)); i < len(answer.Kvs); i += step {
		c.contentOf(q, r, answer.Kvs[i], a, at)
	}
	if len(r.RangeEnd) > 0 {
		c.missing(q, r, answer, a, at)
	}
}

// contentOf checks one key that was read.
func (c *checkedConn) contentOf(q inquiry, r *pb.RangeRequest, kv *mvccpb.KeyValue, a consistency.Answer, at int64) {
	if kv.Lease != 0 {
		c.checker.Leased(kv.Key, kv.Lease, q.Call, a, at)
	}
	key := q.key
	if key == 0 {
		key = c.checker.Find(kv.Key)
	}
	if key == 0 {
		return
	}
	read := consistency.Read{Revision: at, Modified: kv.ModRevision, Version: kv.Version, Value: kv.Value, Created: kv.CreateRevision}
	switch {
	case r.KeysOnly:
		read.Value, read.Created = nil, 0 // of which some servers return less
	case read.Value == nil:
		read.Value = []byte{}
	}
	c.checker.Read(key, q.Call, a, read)
}

// missing looks for followed keys, at random, that an answer with all keys of a range does not have.
func (c *checkedConn) missing(q inquiry, r *pb.RangeRequest, answer *pb.RangeResponse, a consistency.Answer, at int64) {
	if !unfiltered(r) || r.SortTarget != pb.RangeRequest_KEY || r.SortOrder == pb.RangeRequest_DESCEND ||
		answer.More && len(answer.Kvs) == 0 {
		return
	}
	for i := range uint64(missed) {
		k, name := c.checker.Sampled(uint64(q.Sent) + i)
		if k == 0 || name < string(r.Key) || string(r.RangeEnd) != "\x00" && name >= string(r.RangeEnd) ||
			answer.More && name > string(answer.Kvs[len(answer.Kvs)-1].Key) {
			continue
		}
		_, found := slices.BinarySearchFunc(answer.Kvs, name, func(kv *mvccpb.KeyValue, name string) int {
			switch {
			case string(kv.Key) < name:
				return -1
			case string(kv.Key) > name:
				return 1
			}
			return 0
		})
		if !found {
			c.checker.Read(k, q.Call, a, consistency.Read{Revision: at})
		}
	}
}

// NewStream implements [grpc.ClientConnInterface]. Of streams, those of RangeStream are checked.
func (c *checkedConn) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	s, err := c.ClientConnInterface.NewStream(ctx, desc, method, opts...)
	if err != nil || method != pb.KV_RangeStream_FullMethodName {
		return s, err
	}
	return &checkedStream{ClientStream: s, conn: c}, nil
}

// checkedStream is a RangeStream whose answer is checked.
type checkedStream struct {
	grpc.ClientStream
	conn    *checkedConn
	request *pb.RangeRequest
	inquiry inquiry
	sample  []*mvccpb.KeyValue
}

// SendMsg implements [grpc.ClientStream].
func (s *checkedStream) SendMsg(m any) error {
	if r, ok := m.(*pb.RangeRequest); ok {
		s.request, s.inquiry = r, s.conn.begin(r)
		s.inquiry.Sent = s.conn.checker.Now()
	}
	return s.ClientStream.SendMsg(m)
}

// RecvMsg implements [grpc.ClientStream]. Only the last part of the answer has the revision at which
// all were read.
func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	r, ok := m.(*pb.RangeStreamResponse)
	if !ok || s.request == nil {
		return nil
	}
	part := r.GetRangeResponse()
	kvs := part.GetKvs()
	for step := max(1, len(kvs)/compared); len(kvs) > 0 && len(s.sample) < maxSample; kvs = kvs[min(step, len(kvs)):] {
		s.sample = append(s.sample, kvs[0])
	}
	if h := part.GetHeader(); h.GetRevision() > 0 {
		a := s.conn.answer(s.inquiry, consistency.OperationRead, h)
		s.conn.recency(s.inquiry, a, s.request.Serializable, nil)
		at := a.Revision
		if s.request.Revision > 0 {
			at = s.request.Revision
		}
		for _, kv := range s.sample {
			s.conn.contentOf(s.inquiry, s.request, kv, a, at)
		}
		s.sample = nil
	}
	return nil
}

// maxSample is how many keys of a stream are compared at most.
const maxSample = 256
