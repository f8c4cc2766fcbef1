package workloads

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/results"
)

// Answers implements [bench.Answerer]. It waits until a member answers a linearizable read, for
// which the cluster needs a leader and a majority.
func (m *mix) Answers(ctx context.Context) error {
	t := m.target
	conns := t.Members
	if len(conns) == 0 {
		conns = t.Conns
	}
	patience := cmp.Or(t.Patience, defaultPatience)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	ended := make(chan error, len(conns))
	for _, conn := range conns {
		go func() { ended <- untilAnswered(ctx, conn, t.Prefix) }()
	}
	var last error
	for range conns {
		if last = <-ended; last == nil {
			return nil
		}
	}
	return fmt.Errorf("the cluster no longer answers reads (waited %v after the load, of %d connections): "+
		"check that its members run and have a leader: %s", patience, len(conns), cause(last))
}

// cause returns the innermost reason of a gRPC error, such as "connection refused".
func cause(err error) string {
	text := status.Convert(err).Message()
	return results.Clip(strings.Trim(text[strings.LastIndex(text, ": ")+1:], ` "`))
}

// answerPause is the time between two requests to a member that does not answer.
const answerPause = 200 * time.Millisecond

// untilAnswered sends requests until there is an answer, possibly an error of the server, or
// until ctx ends. It returns the last error with more information than the end of ctx.
func untilAnswered(ctx context.Context, conn grpc.ClientConnInterface, prefix string) (last error) {
	request := &pb.RangeRequest{Key: []byte(prefix), RangeEnd: prefixEnd(prefix), KeysOnly: true, Limit: 1}
	for {
		_, err := pb.NewKVClient(conn).Range(ctx, request, grpc.WaitForReady(false))
		switch status.Code(err) {
		case codes.Unavailable:
			last = err
		case codes.DeadlineExceeded, codes.Canceled:
			last = cmp.Or(last, err)
		default:
			return nil
		}
		if !sleep(ctx, answerPause) {
			return last
		}
	}
}
