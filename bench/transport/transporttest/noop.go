package transporttest

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
)

// Noop is a gRPC server that answers like a member of etcd and does nothing else. A run
// against it measures the generator.
type Noop struct {
	Address string
	// Puts counts the puts that were answered.
	Puts   atomic.Uint64
	server *grpc.Server
}

// NewNoop starts a server on a free loopback port.
func NewNoop() (*Noop, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start no-op server: %w", err)
	}
	n := &Noop{Address: l.Addr().String(), server: grpc.NewServer()}
	pb.RegisterKVServer(n.server, &noopKV{noop: n})
	pb.RegisterMaintenanceServer(n.server, noopMaintenance{})
	go func() { _ = n.server.Serve(l) }() // ends with Stop
	return n, nil
}

// Stop closes the server and its connections.
func (n *Noop) Stop() { n.server.Stop() }

type noopKV struct {
	pb.UnimplementedKVServer
	noop *Noop
}

func (k *noopKV) Put(context.Context, *pb.PutRequest) (*pb.PutResponse, error) {
	return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: int64(k.noop.Puts.Add(1))}}, nil
}

func (*noopKV) Range(context.Context, *pb.RangeRequest) (*pb.RangeResponse, error) {
	return &pb.RangeResponse{Header: &pb.ResponseHeader{Revision: 1}}, nil
}

type noopMaintenance struct {
	pb.UnimplementedMaintenanceServer
}

func (noopMaintenance) Status(context.Context, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{Header: &pb.ResponseHeader{MemberId: 1}, Leader: 1, Version: "no-op"}, nil
}
