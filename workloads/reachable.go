package workloads

import (
	"context"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
)

// reachTime is the time that a member has to answer. Otherwise, its connections are not used
// after the load.
const reachTime = 2 * time.Second

// reachable returns the target without the connections whose member does not answer: requests
// on them would wait for the member. If no member answers, it keeps all connections.
func (t Target) reachable(ctx context.Context) Target {
	if conns := answering(ctx, t.Conns, t.Prefix); len(conns) > 0 {
		t.Conns = conns
	}
	return t
}

func answering(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) []grpc.ClientConnInterface {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	ok := make([]bool, len(conns))
	var g errgroup.Group
	for i, c := range conns {
		g.Go(func() error {
			_, err := pb.NewKVClient(c).Range(ctx, &pb.RangeRequest{Key: []byte(prefix), CountOnly: true, Serializable: true})
			ok[i] = err == nil
			return nil
		})
	}
	_ = g.Wait()
	var list []grpc.ClientConnInterface
	for i, c := range conns {
		if ok[i] {
			list = append(list, c)
		}
	}
	return list
}
