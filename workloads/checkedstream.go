package workloads

import (
	"context"
	"errors"
	"io"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// NewStream implements [grpc.ClientConnInterface]. It checks streams of RangeStream only.
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
	// seen are the followed keys of all parts, and last is the last key of them.
	seen consistency.Seen
	last []byte
	// answer is the header, at the revision at which all was read; more says that there are more keys.
	answer consistency.Answer
	at     int64
	more   bool
}

// SendMsg implements [grpc.ClientStream].
func (s *checkedStream) SendMsg(m any) error {
	if r, ok := m.(*pb.RangeRequest); ok {
		s.request, s.inquiry = r, s.conn.begin(r)
		s.inquiry.Sent = s.conn.checker.Now()
	}
	return s.ClientStream.SendMsg(m)
}

// RecvMsg implements [grpc.ClientStream].
func (s *checkedStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		if errors.Is(err, io.EOF) && s.answer.Revision > 0 {
			s.missing()
		}
		return err
	}
	r, ok := m.(*pb.RangeStreamResponse)
	if !ok || s.request == nil {
		return nil
	}
	part := r.GetRangeResponse()
	s.collect(part.GetKvs())
	if part.GetHeader().GetRevision() > 0 {
		s.content(part)
	}
	return nil
}

// collect keeps the keys of a part of the answer that must be checked.
func (s *checkedStream) collect(kvs []*mvccpb.KeyValue) {
	step := max(1, len(kvs)/compared)
	for i, kv := range kvs {
		if i%step == 0 && len(s.sample) < maxSample {
			s.sample = append(s.sample, kv)
		}
		if k := s.conn.checker.Find(kv.Key); k != 0 {
			s.seen.Add(k)
		}
		s.last = kv.Key
	}
}

// content checks what was collected. Only the last part has the revision at which all was read.
func (s *checkedStream) content(part *pb.RangeResponse) {
	s.answer, s.more = s.conn.answer(s.inquiry, consistency.OperationRead, part.Header), part.More
	s.conn.recency(s.inquiry, s.answer, s.request.Serializable, nil)
	if s.at = s.answer.Revision; s.request.Revision > 0 {
		s.at = s.request.Revision
	}
	for _, kv := range s.sample {
		s.conn.contentOf(s.inquiry, s.request, kv, s.answer, s.at)
	}
	s.sample = nil
}

// missing checks the followed keys that the whole answer does not have.
func (s *checkedStream) missing() {
	complete := completeness{request: s.request}
	if !complete.possible() || len(s.request.RangeEnd) == 0 || s.more && s.last == nil {
		return
	}
	if s.more {
		complete.last = string(s.last)
	}
	left := maxSample
	for k, name := range s.conn.checker.Unseen(&s.seen, uint64(s.inquiry.Sent)) {
		if !complete.covers(name) {
			continue
		}
		s.conn.checker.Read(k, s.inquiry.Call, s.answer, consistency.Read{Revision: s.at})
		if left--; left == 0 {
			return
		}
	}
}

// maxSample is the largest number of keys of a stream that are compared, and of missing keys
// that are searched.
const maxSample = 256
