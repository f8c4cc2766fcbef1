package transport

import "context"

// Reconnect has every connection that is away try again at once, without waiting out
// the pause after a failure, and returns when all are there or ctx ends.
func (p *Pool) Reconnect(ctx context.Context) {
	for _, c := range p.conns {
		c.ready(ctx)
	}
}
