package transport

import "context"

// Reconnect makes every broken connection try again at once, without the pause after a
// failure. It returns when all are connected or ctx ends.
func (p *Pool) Reconnect(ctx context.Context) {
	for _, c := range p.conns {
		c.ready(ctx)
	}
}
