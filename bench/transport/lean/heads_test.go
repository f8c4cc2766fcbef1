package lean

import (
	"bytes"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
	"pgregory.net/rapid"
)

// Header blocks say what a decoder that keeps nothing reads in them, also after their references
// have another meaning.
func TestHeads(t *testing.T) {
	names := []string{":status", "content-type", "grpc-status", "grpc-message", "other"}
	rapid.Check(t, func(t *rapid.T) {
		var block bytes.Buffer
		encoder, tested := hpack.NewEncoder(&block), newHeads()
		var want responseHead
		plain := hpack.NewDecoder(4096, func(f hpack.HeaderField) { want.take(f) })
		for range rapid.IntRange(1, 60).Draw(t, "blocks") {
			block.Reset()
			if rapid.IntRange(0, 9).Draw(t, "resize") == 0 {
				encoder.SetMaxDynamicTableSize(uint32(rapid.SampledFrom([]int{0, 100, 4096}).Draw(t, "table")))
			}
			for range rapid.IntRange(1, 4).Draw(t, "fields") {
				_ = encoder.WriteField(hpack.HeaderField{
					Name: rapid.SampledFrom(names).Draw(t, "name"), Value: strings.Repeat("1", rapid.IntRange(0, 3).Draw(t, "length")),
					Sensitive: rapid.IntRange(0, 9).Draw(t, "sensitive") == 0,
				})
			}
			want = responseHead{}
			if _, err := plain.Write(block.Bytes()); err != nil {
				t.Fatal(err)
			}
			_ = plain.Close()
			got, _, err := tested.decode(block.Bytes())
			if err != nil || *got != want {
				t.Fatalf("%x: %+v, %v, want %+v", block.Bytes(), got, err, want)
			}
		}
	})
}

// A block that is sent again and again is decoded without an allocation.
func TestHeadsAllocateNothing(t *testing.T) {
	h := newHeads()
	block := []byte{0x88, 0x88}
	if n := testing.AllocsPerRun(100, func() {
		if head, _, err := h.decode(block); err != nil || head.httpStatus != "200" {
			t.Error(head, err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
