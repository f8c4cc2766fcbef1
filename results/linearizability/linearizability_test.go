package linearizability

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// at is an operation on /a from one second to another.
func at(from, to int64, name string, revision, modified int64, value string) results.ProofOperation {
	op := results.ProofOperation{
		Name: name, Key: "/a", Sent: time.Unix(from, 0), Answered: time.Unix(to, 0), Revision: revision, Modified: modified, Value: value,
	}
	if to == 0 {
		op.Answered, op.Unknown = time.Time{}, true
	}
	return op
}

// A history is linearizable if and only if etcd may have answered so.
func TestCheck(t *testing.T) {
	for name, test := range map[string]struct {
		history []results.ProofOperation
		want    bool
	}{
		"in order":            {[]results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "read", 2, 2, "x")}, true},
		"stale":               {[]results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "read", 2, 0, "")}, false},
		"overlapping":         {[]results.ProofOperation{at(1, 4, "put", 2, 0, "x"), at(2, 3, "read", 1, 0, "")}, true},
		"older revision":      {[]results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "read", 1, 0, "")}, false},
		"another value":       {[]results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "read", 2, 2, "y")}, false},
		"two of one revision": {[]results.ProofOperation{at(1, 4, "put", 2, 0, "x"), at(2, 3, "put", 2, 0, "y")}, false},
		"unknown, applied":    {[]results.ProofOperation{at(1, 0, "put", 0, 0, "x"), at(3, 4, "read", 2, 2, "x")}, true},
		"unknown, later":      {[]results.ProofOperation{at(1, 0, "put", 0, 0, "x"), at(3, 4, "read", 1, 0, "")}, true},
		"unknown, undone": {[]results.ProofOperation{
			at(1, 0, "put", 0, 0, "x"), at(3, 4, "read", 2, 2, "x"), at(5, 6, "read", 2, 0, ""),
		}, false},
		"deleted":       {[]results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "delete", 3, 0, ""), at(5, 6, "read", 3, 0, "")}, true},
		"still there":   {[]results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "delete", 3, 0, ""), at(5, 6, "read", 3, 2, "x")}, false},
		"nothing there": {[]results.ProofOperation{at(3, 4, "delete", 3, 0, "")}, false},
	} {
		var history []Operation
		for _, op := range test.history {
			history = append(history, Operation{ProofOperation: op})
		}
		if got, err := Check(history, 1); got != test.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// A history of few keys is drawn, one of many is refused.
func TestDraw(t *testing.T) {
	var page bytes.Buffer
	if err := Draw(&page, []results.ProofOperation{at(1, 2, "put", 2, 0, "x"), at(3, 4, "read", 2, 0, "")}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "<html") || !strings.Contains(page.String(), "read /a: no key @ 2") {
		t.Errorf("page of %d bytes", page.Len())
	}
	var many []results.ProofOperation
	for _, key := range []string{"/a", "/b", "/c", "/d", "/e"} {
		many = append(many, results.ProofOperation{Name: "read", Key: key})
	}
	if err := Draw(&page, many); err == nil {
		t.Error("a history of five keys was drawn")
	}
}

// Operations that overlap are drawn in different rows.
func TestRows(t *testing.T) {
	_, list, err := prepare([]Operation{
		{ProofOperation: at(1, 4, "read", 1, 0, "")}, {ProofOperation: at(2, 0, "put", 0, 0, "x")}, {ProofOperation: at(5, 6, "read", 1, 0, "")},
		{ProofOperation: at(4, 7, "read", 1, 0, "")},
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 0, 2} {
		if list[i].ClientId != want {
			t.Errorf("operation %d is in row %d, want %d", i, list[i].ClientId, want)
		}
	}
}
