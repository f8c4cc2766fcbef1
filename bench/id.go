package bench

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID returns a name for a run: its time, so that names sort by time, and six random
// hexadecimal digits, so that two runs of the same second differ. All names have the same
// length.
func NewID(now time.Time) string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails (package crypto/rand)
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b[:])
}
