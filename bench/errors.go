package bench

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/results"
)

// errorClass is the key by which errors are counted.
type errorClass struct {
	phase, kind int
	code        codes.Code
	etcd        string
}

// maxClasses bounds the table in case a server puts unique text into each of its messages.
const maxClasses = 64

// errorTable counts errors by class. Counting a known class takes no lock.
type errorTable struct {
	counters sync.Map // errorClass → *errorCount
	classes  atomic.Int64
}

type errorCount struct {
	n       atomic.Uint64
	example string
}

func (t *errorTable) add(phase, kind int, err error) {
	class := classify(err)
	class.phase, class.kind = phase, kind
	c, ok := t.counters.Load(class)
	if !ok {
		if t.classes.Load() >= maxClasses {
			class.etcd = "(other)"
		}
		var loaded bool
		c, loaded = t.counters.LoadOrStore(class, &errorCount{example: clip(err.Error(), 300)})
		if !loaded {
			t.classes.Add(1)
		}
	}
	c.(*errorCount).n.Add(1)
}

// list returns the counts of one kind in one phase, the most frequent first.
func (t *errorTable) list(phase, kind int) []results.ErrorClass {
	var list []results.ErrorClass
	t.counters.Range(func(key, value any) bool {
		class, count := key.(errorClass), value.(*errorCount)
		if class.phase == phase && class.kind == kind {
			list = append(list, results.ErrorClass{
				Code: class.code.String(), Etcd: class.etcd,
				Count: count.n.Load(), Example: count.example,
			})
		}
		return true
	})
	slices.SortFunc(list, func(a, b results.ErrorClass) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Etcd, b.Etcd))
	})
	return list
}

// classify returns the class of an error: its gRPC code and, for an error of etcd itself,
// etcd's message. etcd's own errors are a fixed set of messages.
func classify(err error) errorClass {
	class := errorClass{code: codes.Unknown}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		class.code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		class.code = codes.Canceled
	default:
		message := ""
		// The errors of etcd's Go client have a code, but are not gRPC statuses.
		var coded interface {
			error
			Code() codes.Code
		}
		if s, ok := status.FromError(err); ok {
			class.code, message = s.Code(), s.Message()
		} else if errors.As(err, &coded) {
			class.code, message = coded.Code(), coded.Error()
		}
		if strings.HasPrefix(message, "etcdserver: ") || strings.HasPrefix(message, "auth: ") {
			class.etcd = clip(message, 120)
		}
	}
	return class
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}

// printable replaces the control characters in a text from a server, which a terminal would
// interpret.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, clip(s, 300))
}
