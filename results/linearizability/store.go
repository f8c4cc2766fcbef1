package linearizability

import (
	"fmt"
	"math"
	"strings"
)

// input is an operation and the number of its key.
type input struct {
	Operation
	key int
}

// String implements [fmt.Stringer].
func (i input) String() string {
	text := i.Name + " " + i.Key
	if i.Value != "" && i.Name != "read" {
		text += " = " + i.Value
	}
	switch {
	case i.Unknown:
		return text + ": unknown"
	case i.HeaderOnly:
	case i.Modified > 0:
		text += fmt.Sprintf(": modified %d", i.Modified)
		if i.Version > 0 {
			text += fmt.Sprintf(", version %d", i.Version)
		}
		if i.Value != "" {
			text += ", value " + i.Value
		}
	case i.Name == "read":
		text += ": no key"
	}
	return text + fmt.Sprintf(" @ %d", i.Revision)
}

// store is the state of etcd. Values are compared with ==.
type store struct {
	// revision is the present one, or a lower bound after a write of unknown outcome.
	revision int64
	cells    [maxKeys]cell
}

// cell is the state of one key.
type cell struct {
	status status
	// modified is the revision of the last write. It is 0 for one of unknown outcome,
	// and then between least and most.
	modified, least, most int64
	// version and value are zero where they are not known.
	version int64
	value   string
}

type status uint8

const (
	unknown status = iota
	absent
	present
)

// apply does an operation and reports whether it may be answered as it was.
func (s *store) apply(op input) bool {
	c := &s.cells[op.key]
	switch {
	case op.Unknown:
		return s.applyUnknown(op)
	case op.HeaderOnly:
		return s.advance(op.Revision, false)
	case op.Compare && op.Failed && op.Modified == op.Compared:
		return false
	case op.Compare && !op.Failed && !s.compares(op):
		return false
	case op.Name == "read", op.Compare && op.Failed, op.Name == "compare-and-swap" && !op.Compare:
		return s.advance(op.Revision, false) && c.read(op)
	case op.Name == "delete":
		if !s.advance(op.Revision, true) || c.status == absent {
			return false
		}
		*c = cell{status: absent}
		return true
	case op.Name == "put", op.Compare:
		if !s.advance(op.Revision, true) {
			return false
		}
		c.put(op)
		c.modified = op.Revision
		return true
	}
	return s.advance(op.Revision, false) // any other answer
}

// applyUnknown does a write of which only the request is known.
func (s *store) applyUnknown(op input) bool {
	c := &s.cells[op.key]
	switch {
	case op.Compare && !s.compares(op):
		return true // it did nothing
	case op.Name == "delete" && c.status == absent:
		return true
	}
	s.revision++
	if op.Name == "delete" {
		*c = cell{status: absent}
		return true
	}
	c.put(op)
	c.modified, c.least, c.most = 0, s.revision, math.MaxInt64
	return true
}

// compares reports whether the key has the compared revision.
func (s *store) compares(op input) bool {
	c := &s.cells[op.key]
	switch {
	case c.status == unknown:
		return true
	case op.Compared == 0:
		return c.status == absent
	case c.status == absent:
		return false
	case c.modified == 0:
		if op.Compared < c.least || op.Compared > c.most {
			return false
		}
		c.modified = op.Compared
	}
	return c.modified == op.Compared
}

// advance goes on to the revision of an answer.
func (s *store) advance(revision int64, write bool) bool {
	if revision < s.revision || write && revision == s.revision {
		return false
	}
	last := revision
	if write {
		last--
	}
	for i := range s.cells {
		if c := &s.cells[i]; c.status == present && c.modified == 0 {
			c.most = min(c.most, last)
		}
	}
	s.revision = revision
	return true
}

func (c *cell) put(op input) {
	if c.status == absent || c.version > 0 {
		c.version++
	}
	c.status, c.value, c.least, c.most = present, op.Value, 0, 0
}

// read reports whether the key may be read so, and learns what was not known.
func (c *cell) read(op input) bool {
	switch {
	case op.Modified > op.Revision:
		return false
	case op.Modified == 0:
		if c.status == present {
			return false
		}
		c.status = absent
		return true
	case c.status == absent:
		return false
	case c.status == unknown:
		*c = cell{status: present, modified: op.Modified, version: op.Version, value: op.Value}
		return true
	}
	if c.modified == 0 && op.Modified >= c.least && op.Modified <= c.most {
		c.modified, c.least, c.most = op.Modified, 0, 0
	}
	if c.modified != op.Modified || c.value != "" && op.Value != "" && c.value != op.Value ||
		c.version != 0 && op.Version != 0 && c.version != op.Version {
		return false
	}
	c.value, c.version = max(c.value, op.Value), max(c.version, op.Version)
	return true
}

func (s store) describe(keys []string) string {
	text := []string{fmt.Sprintf("revision %d", s.revision)}
	for i, key := range keys {
		switch c := s.cells[i]; c.status {
		case absent:
			text = append(text, key+": none")
		case present:
			text = append(text, fmt.Sprintf("%s: modified %d, version %d, value %s", key, c.modified, c.version, c.value))
		}
	}
	return strings.Join(text, "; ")
}
