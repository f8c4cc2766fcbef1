package transport

import (
	"context"

	"google.golang.org/grpc/connectivity"
)

// Reconnect has every connection that is away try again at once, without waiting out
// what gRPC waits after a failure, and returns when all are there or ctx ends.
func (p *Pool) Reconnect(ctx context.Context) {
	for _, c := range p.clients {
		conn := c.ActiveConnection()
		for state := conn.GetState(); state != connectivity.Ready && state != connectivity.Shutdown; state = conn.GetState() {
			conn.ResetConnectBackoff()
			conn.Connect()
			if !conn.WaitForStateChange(ctx, state) {
				return
			}
		}
	}
}
