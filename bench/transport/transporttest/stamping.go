package transporttest

import (
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// Stamping is a watch server for one watcher that notes when it sends each response:
// response n, counted from 0, holds one event of revision n+1.
type Stamping struct {
	pb.UnimplementedWatchServer
	// Gaps are the pauses before the responses.
	Gaps []time.Duration
	// Sent are the times at which they were sent.
	Sent []time.Time
}

// Watch sends the responses to the watcher that is created first.
func (s *Stamping) Watch(stream pb.Watch_WatchServer) error {
	r, err := stream.Recv()
	if err != nil {
		return err
	}
	id := r.GetCreateRequest().WatchId
	if err := stream.Send(&pb.WatchResponse{WatchId: id, Created: true, Header: &pb.ResponseHeader{}}); err != nil {
		return err
	}
	for _, gap := range s.Gaps {
		time.Sleep(gap)
		s.Sent = append(s.Sent, time.Now())
		kv := &mvccpb.KeyValue{Key: []byte("k"), ModRevision: int64(len(s.Sent))}
		response := &pb.WatchResponse{WatchId: id, Header: &pb.ResponseHeader{}, Events: []*mvccpb.Event{{Kv: kv}}}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}
