package consistency

import (
	"fmt"
	"testing"
)

// What the check of recency adds to a read, and to a write, which each raise what is
// known.
func BenchmarkRecency(b *testing.B) {
	for _, write := range []bool{false, true} {
		b.Run(fmt.Sprintf("write=%v", write), func(b *testing.B) {
			c := New(Options{Exclusive: true})
			b.ReportAllocs()
			for n := int64(1); b.Loop(); n++ {
				a := Answer{Operation: OperationRead, Revision: 7, Member: 1}
				if write {
					a.Revision = n
				}
				c.Answered(c.Send(), a, write)
			}
		})
	}
}

// What the check of content adds to a write and to a read, the comparison included, where the
// transport knows the times: with few keys, which are all followed, and with the default number.
func BenchmarkContent(b *testing.B) {
	for _, keys := range []int{1000, 100_000} {
		for _, operation := range []Operation{OperationPut, OperationRead} {
			b.Run(fmt.Sprintf("%v/keys=%d", operation, keys), func(b *testing.B) {
				l := newBenchmarkLoad(keys)
				for n := range 2 * keys {
					l.put(n % keys)
				}
				l.checker.drain()
				b.ReportAllocs()
				for n := 0; b.Loop(); n++ {
					if operation == OperationPut {
						l.put(n % keys)
					} else {
						l.get(n % keys)
					}
					if n%1000 == 0 {
						l.checker.drain()
					}
				}
				l.checker.drain()
				if l.checker.proof.Found > 0 {
					b.Errorf("violations: %+v", l.checker.proof)
				}
			})
		}
	}
}

// benchmarkLoad is a store of which every operation is handed to a checker.
type benchmarkLoad struct {
	checker  *Checker
	names    [][]byte
	keys     []simulatedKey
	value    []byte
	revision int64
}

func newBenchmarkLoad(keys int) *benchmarkLoad {
	l := &benchmarkLoad{
		checker: New(Options{Exclusive: true}), keys: make([]simulatedKey, keys), value: make([]byte, 256), revision: 1,
	}
	l.checker.Begin(1)
	for i := range keys {
		l.names = append(l.names, fmt.Appendf(nil, "/registry/pods/namespace-1/%021d", i))
	}
	return l
}

func (l *benchmarkLoad) put(i int) {
	call := l.checker.Send()
	call.Sent = 1
	k, id := l.checker.Claim(l.names[i]), uint64(0)
	if k != 0 {
		id = l.checker.ID(0)
		l.checker.Sending(k, id, call, 0, Write{Value: l.value})
	}
	l.revision++
	l.keys[i].modified, l.keys[i].version = l.revision, l.keys[i].version+1
	if k != 0 {
		l.checker.Settled(k, id, call, Answer{Operation: OperationPut, Revision: l.revision, Member: 1, Answered: 2}, Done)
	}
}

func (l *benchmarkLoad) get(i int) {
	call := l.checker.Send()
	call.Sent = 1
	if k := l.checker.Find(l.names[i]); k != 0 {
		l.checker.Read(k, call, Answer{Operation: OperationRead, Revision: l.revision, Member: 1, Answered: 2}, Read{
			Revision: l.revision, Modified: l.keys[i].modified, Version: l.keys[i].version, Value: l.value,
		})
	}
}
