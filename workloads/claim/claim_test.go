package claim

import (
	"slices"
	"strings"
	"testing"
	"unicode"
)

func TestEnclosing(t *testing.T) {
	for prefix, want := range map[string][]string{
		"/a/b/c/": {"/a/b/", "/a/"}, "/a/": nil, "ab": nil, "a/b": {"a/"}, "/etcdbench/1/": {"/etcdbench/"},
	} {
		if got := enclosing(prefix); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", prefix, got, want)
		}
	}
}

func TestOwnerIsRead(t *testing.T) {
	o := Self("20261125-1", 12)
	back := decodeOwner(o.encode())
	if back != o || !strings.Contains(back.String(), "run 20261125-1 of") || !strings.Contains(back.String(), o.Host) {
		t.Errorf("%v, %+v", back, back)
	}
}

// Whatever a key holds, its owner has a short name that changes no terminal.
func FuzzOwner(f *testing.F) {
	f.Add(Self("20261125-1", 12).encode())
	f.Add([]byte(`{"run":"\u001b[2J","user":"` + strings.Repeat("x", 1000) + `"}`))
	f.Add([]byte("[]"))
	f.Fuzz(func(t *testing.T, value []byte) {
		text := decodeOwner(value).String()
		if len(text) > 300 || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", text)
		}
	})
}
