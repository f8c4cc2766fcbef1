package transporttest

import (
	"time"

	"github.com/etcdbench/etcdbench/bench/link"
)

// Proxy forwards TCP connections to one address and can stop them.
type Proxy struct {
	*link.Proxy
	up, down *link.Direction
}

// NewProxy starts a proxy on a free loopback port.
func NewProxy(target string) (*Proxy, error) {
	p := &Proxy{up: link.NewDirection(link.Conditions{}), down: link.NewDirection(link.Conditions{})}
	var err error
	p.Proxy, err = link.Listen(link.Options{Target: target, Up: p.up, Down: p.down})
	return p, err
}

// Freeze holds back everything, in both directions, for the given time.
func (p *Proxy) Freeze(d time.Duration) {
	p.hold(true)
	time.AfterFunc(d, func() { p.hold(false) })
}

func (p *Proxy) hold(down bool) {
	for _, way := range []*link.Direction{p.up, p.down} {
		c := way.Conditions()
		c.Down = down
		way.Set(c)
	}
}

// Delay delays everything that the server sends from now on.
func (p *Proxy) Delay(d time.Duration) { p.down.Set(link.Conditions{Delay: d}) }
