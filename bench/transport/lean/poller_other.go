//go:build !linux

package lean

import (
	"errors"
	"net"
	"time"
)

// A Poller reads many connections from one goroutine. Here there is none.
type Poller struct{}

// NewPoller returns an error.
func NewPoller() (*Poller, error) { return nil, errors.ErrUnsupported }

// Close does nothing.
func (*Poller) Close() {}

// Take does nothing.
func (*Poller) Take(bool) {}

// Release does nothing.
func (*Poller) Release() {}

// Poll does nothing.
func (*Poller) Poll(time.Duration) {}

func (*Poller) add(*session)    {}
func (*Poller) remove(*session) {}

type socket struct{ net.Conn }

func newSocket(net.Conn) (*socket, error) { return nil, errors.ErrUnsupported }
func (*socket) try([]byte) (int, error)   { return 0, errors.ErrUnsupported }
func (*socket) free()                     {}
