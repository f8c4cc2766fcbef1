package transporttest

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
)

// forward passes the messages of a call on to a member, and its replies back. change returns
// the reply to send, and false if it is to be omitted.
func forward(
	ctx context.Context, s grpc.ServerStream, member grpc.ClientConnInterface, method string, change func([]byte) ([]byte, bool),
) error {
	up, err := member.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for {
			var m []byte
			if s.RecvMsg(&m) != nil {
				_ = up.CloseSend()
				return
			}
			if up.SendMsg(&m) != nil {
				return // RecvMsg returns the reason
			}
		}
	}()
	for {
		var m []byte
		if err := up.RecvMsg(&m); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		m, passes := change(m)
		if !passes {
			continue
		}
		if err := s.SendMsg(&m); err != nil {
			return err
		}
	}
}
