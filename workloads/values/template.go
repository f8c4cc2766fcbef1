package values

import (
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protowire"
)

// A template is an object with places whose bytes are drawn for each value. All values
// of one template have the same size.
type template struct {
	data  []byte
	slots []slot
}

// A part of a text is a literal or a variable.
type part struct {
	text string

	// draw is the way in which the bytes of a variable are drawn, and length is their number.
	draw   draw
	length int
	// name, if set, makes the variable equal in all places of an object.
	name string
	// offset is for seconds: it is added to the time of the object's creation.
	offset int64
}

// A slot is the place of a variable.
type slot struct {
	part
	at int
	// from is the place of the first variable with the name, from which the bytes are copied.
	// It is -1 if they are drawn.
	from int
}

// draw is a way to draw bytes.
type draw uint8

const (
	hex     draw = iota // hexadecimal digits
	decimal             // decimal digits
	suffix              // the letters and digits of generated names in Kubernetes
	uuid                // a random UUID
	seconds             // seconds since 1970, as a varint
	nanos               // nanoseconds of a second, whole microseconds, as a varint
)

const (
	hexDigits    = "0123456789abcdef"
	digits       = "0123456789"
	suffixes     = "bcdfghjklmnpqrstvwxz2456789"
	uuidLength   = 36
	varintLength = 5 // of times of this century
)

// epoch is the earliest creation of an object, in seconds since 1970, and span is the
// length of the time in which objects are created, in seconds.
const (
	epoch = 1767225600
	span  = 90 * 24 * 3600
)

func literal(s string) part { return part{text: s} }

// newTemplate makes a template of a message.
func newTemplate(m message) template {
	first := map[string]int{}
	for i, s := range m.slots {
		if s.name == "" {
			continue
		}
		if at, ok := first[s.name]; ok {
			m.slots[i].from = at
		} else {
			first[s.name] = s.at
		}
	}
	return template(m)
}

// appendTo appends a value. buf must be empty.
func (t *template) appendTo(buf []byte, rng *rand.Rand) []byte {
	buf = append(buf, t.data...)
	created := epoch + rng.Int64N(span)
	for i := range t.slots {
		s := &t.slots[i]
		place := buf[s.at : s.at+s.length]
		if s.from >= 0 {
			copy(place, buf[s.from:])
			continue
		}
		switch s.draw {
		case hex:
			letters(place, hexDigits, rng)
		case decimal:
			letters(place, digits, rng)
		case suffix:
			letters(place, suffixes, rng)
		case uuid:
			letters(place, hexDigits, rng)
			place[8], place[13], place[18], place[23] = '-', '-', '-', '-'
			place[14], place[19] = '4', "89ab"[place[19]&3] // version and variant, after RFC 9562
		case seconds:
			protowire.AppendVarint(place[:0], uint64(created+s.offset))
		case nanos:
			// At least 2^28, so that the length of the varint is always the same.
			protowire.AppendVarint(place[:0], uint64(268_436+rng.Int64N(731_564))*1000)
		}
	}
	return buf
}

// letters fills a place with letters of an alphabet.
func letters(place []byte, alphabet string, rng *rand.Rand) {
	var bits uint64
	for i := range place {
		if i%8 == 0 {
			bits = rng.Uint64()
		}
		place[i] = alphabet[int(bits&0xff)*len(alphabet)>>8]
		bits >>= 8
	}
}
