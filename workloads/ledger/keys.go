package ledger

import (
	"slices"
	"strconv"
)

// Keys names the keys of a space by their numbers: a key is the prefix, then the
// number in decimal digits, padded with zeros to a fixed length.
type Keys struct {
	// Prefix is the prefix of every key.
	Prefix string
	// Size is the length of a key in bytes, prefix included.
	Size int
	// Count is the number of keys. They are numbered from 0.
	Count int64
}

// Append writes the key of a number to buf[:0] and returns the extended buffer.
func (k Keys) Append(buf []byte, number int64) []byte {
	buf = append(slices.Grow(buf[:0], k.Size), k.Prefix...)
	var text [20]byte
	digits := strconv.AppendInt(text[:0], number, 10)
	for pad := k.Size - len(k.Prefix) - len(digits); pad > 0; pad-- {
		buf = append(buf, '0')
	}
	return append(buf, digits...)
}

// Number returns the number of a key, and false for a key that has none. It is
// the inverse of Append and allocates nothing.
func (k Keys) Number(key []byte) (int64, bool) {
	if len(key) != k.Size || string(key[:len(k.Prefix)]) != k.Prefix {
		return 0, false
	}
	n := int64(0)
	for _, c := range key[len(k.Prefix):] {
		if c < '0' || c > '9' || n > k.Count {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, n < k.Count
}
