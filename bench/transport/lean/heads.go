package lean

import (
	"bytes"

	"golang.org/x/net/http2/hpack"
)

// heads decode the header blocks of one connection. A block that was decoded before and only
// refers to the table of the peer's fields is not decoded again until that table may have changed.
type heads struct {
	decoder *hpack.Decoder
	latest  knownHead
	table   int // the state of the table
	known   [4]knownHead
	next    int // of known, to be replaced
}

// knownHead is the content of a header block.
type knownHead struct {
	block []byte
	table int
	head  responseHead
	size  uint32 // by RFC 9113, section 6.5.2
}

func newHeads() *heads {
	h := &heads{}
	h.decoder = hpack.NewDecoder(4096, h.take)
	h.decoder.SetMaxStringLength(maxBlock)
	return h
}

// take takes one field of a header block. Fields beyond the limit are skipped.
func (h *heads) take(f hpack.HeaderField) {
	if h.latest.size += f.Size(); h.latest.size <= maxBlock {
		h.latest.head.take(f)
	} else {
		h.decoder.SetEmitEnabled(false)
	}
}

// longestKnown is the length of the longest block that is kept, in bytes.
const longestKnown = 16

// decode decodes a complete block. size is above maxBlock if not all fields were taken. An error
// means that the state of the table is lost.
func (h *heads) decode(block []byte) (head *responseHead, size uint32, err error) {
	refers := len(block) <= longestKnown && refersOnly(block)
	if refers {
		for i := range h.known {
			if k := &h.known[i]; k.table == h.table && bytes.Equal(k.block, block) {
				return &k.head, k.size, nil
			}
		}
	}
	h.latest = knownHead{}
	h.decoder.SetEmitEnabled(true)
	if _, err := h.decoder.Write(block); err != nil {
		return nil, 0, err
	}
	if err := h.decoder.Close(); err != nil {
		return nil, 0, err
	}
	if !refers {
		h.table++
		return &h.latest.head, h.latest.size, nil
	}
	k := &h.known[h.next]
	k.block, k.table, k.head, k.size = append(k.block[:0], block...), h.table, h.latest.head, h.latest.size
	h.next = (h.next + 1) % len(h.known)
	return &k.head, k.size, nil
}
