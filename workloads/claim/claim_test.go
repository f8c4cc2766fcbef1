package claim

import (
	"reflect"
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
	o.Leases = []LeaseTags{NewLeaseTags(3), NewLeaseTags(1)}
	back := decodeOwner(o.encode())
	if !reflect.DeepEqual(back, o) || !strings.Contains(back.String(), "run 20261125-1 of") || !strings.Contains(back.String(), o.Host) {
		t.Errorf("%v, %+v", back, back)
	}
}

// A lease is a run's if the upper half of its ID is a tag of the run. Tags that no run can
// have are ignored.
func TestOwnerHasLease(t *testing.T) {
	o := decodeOwner([]byte(`{"leases":[{"first":7,"count":2},{"first":2147483647,"count":1},{"first":1,"count":4294967295},{"count":5}]}`))
	for id, want := range map[int64]bool{
		7<<32 | 1: true, 8<<32 | 0xffffffff: true, 0x7fffffff<<32 | 1: true, 6<<32 | 1: false, 9 << 32: false, 7: false, 1: false, 2<<32 | 1: false,
		-1: false, 0: false,
	} {
		if o.HasLease(id) != want {
			t.Errorf("lease %x: %v, want %v", id, !want, want)
		}
	}
}

// A record that follows another one has the leases of both, and stays readable.
func TestRecordsFollowEachOther(t *testing.T) {
	record := Self("20261125-1", 12)
	for n := range 200 {
		next := Self("20261125-2", 99)
		next.Leases, next.KeepData = []LeaseTags{NewLeaseTags(1 + n)}, n == 150
		record = decodeOwner(next.after(record).encode())
		if record.Run != "20261125-1" || record.Revision != 12 || !record.HasLease(int64(next.Leases[0].First)<<32|1) || record.KeepData != (n >= 150) {
			t.Fatalf("after %d: %+v", n, record)
		}
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
