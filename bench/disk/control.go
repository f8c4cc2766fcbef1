package disk

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Control changes the conditions of a process that another process supervises, over a
// connection to the other process.
type Control struct {
	mu      sync.Mutex
	conn    io.ReadWriteCloser
	encoder *json.Encoder
	decoder *json.Decoder
}

// NewControl returns the control at the other end of [Serve].
func NewControl(conn io.ReadWriteCloser) *Control {
	return &Control{conn: conn, encoder: json.NewEncoder(conn), decoder: json.NewDecoder(conn)}
}

// controlTimeout bounds one change of the conditions.
const controlTimeout = 5 * time.Second

// Set changes the conditions. It returns the effect of the previous conditions, once the new
// ones apply.
func (c *Control) Set(conditions Conditions) (effect Effect, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.conn.(interface{ SetDeadline(time.Time) error }); ok {
		_ = d.SetDeadline(time.Now().Add(controlTimeout))
	}
	if err = c.encoder.Encode(conditions); err == nil {
		err = c.decoder.Decode(&effect)
	}
	if err != nil {
		return effect, fmt.Errorf("set the conditions of the disk: %w", err)
	}
	return effect, nil
}

// Close closes the connection; a nil control has none.
func (c *Control) Close() error {
	if c == nil {
		return nil
	}
	return c.conn.Close()
}

// Serve changes the conditions as requested by a [Control], until the connection ends.
func Serve(conn io.ReadWriter, s *Supervisor) {
	decoder, encoder := json.NewDecoder(conn), json.NewEncoder(conn)
	for {
		var c Conditions
		if decoder.Decode(&c) != nil || encoder.Encode(s.Set(c)) != nil {
			return
		}
	}
}
