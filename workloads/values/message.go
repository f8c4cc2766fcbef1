package values

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// A message is a protobuf message under construction. slots are the places whose bytes are
// drawn for each value.
type message struct {
	data  []byte
	slots []slot
}

// number adds an integer field.
func (m *message) number(field int, n uint64) {
	m.data = protowire.AppendTag(m.data, protowire.Number(field), protowire.VarintType)
	m.data = protowire.AppendVarint(m.data, n)
}

// text adds a field with a string or bytes.
func (m *message) text(field int, s string) { m.parts(field, literal(s)) }

// texts adds a string field for each element of a list.
func (m *message) texts(field int, list ...string) {
	for _, s := range list {
		m.text(field, s)
	}
}

// parts adds a string field that consists of literals and variables.
func (m *message) parts(field int, parts ...part) {
	length := 0
	for _, p := range parts {
		length += len(p.text) + p.length
	}
	m.data = protowire.AppendTag(m.data, protowire.Number(field), protowire.BytesType)
	m.data = protowire.AppendVarint(m.data, uint64(length))
	for _, p := range parts {
		m.data = append(m.data, p.text...)
		m.variable(p)
	}
}

// variable adds the bytes of a variable.
func (m *message) variable(p part) {
	if p.length == 0 {
		return
	}
	m.slots = append(m.slots, slot{part: p, at: len(m.data), from: -1})
	m.data = append(m.data, make([]byte, p.length)...)
}

// embed adds a field of a message.
func (m *message) embed(field int, build func(m *message)) {
	var inner message
	build(&inner)
	m.data = protowire.AppendTag(m.data, protowire.Number(field), protowire.BytesType)
	m.data = protowire.AppendVarint(m.data, uint64(len(inner.data)))
	m.append(inner)
}

// append adds the fields of another message.
func (m *message) append(other message) {
	for _, s := range other.slots {
		s.at += len(m.data)
		m.slots = append(m.slots, s)
	}
	m.data = append(m.data, other.data...)
}

// entry adds an entry of a map from string to string.
func (m *message) entry(field int, key string, value ...part) {
	m.embed(field, func(m *message) {
		m.text(1, key)
		m.parts(2, value...)
	})
}

// time adds a field with a metav1.Time, offset seconds after the creation of the object.
func (m *message) time(field int, offset int64) {
	m.embed(field, func(m *message) {
		m.data = protowire.AppendTag(m.data, 1, protowire.VarintType)
		m.variable(part{draw: seconds, length: varintLength, offset: offset})
		m.number(2, 0)
	})
}

// microTime adds a field with a metav1.MicroTime, offset seconds after the creation of the
// object.
func (m *message) microTime(field int, offset int64) {
	m.embed(field, func(m *message) {
		m.data = protowire.AppendTag(m.data, 1, protowire.VarintType)
		m.variable(part{draw: seconds, length: varintLength, offset: offset})
		m.data = protowire.AppendTag(m.data, 2, protowire.VarintType)
		m.variable(part{draw: nanos, length: varintLength})
	})
}
