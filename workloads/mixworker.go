package workloads

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench"
)

type mixWorker struct {
	mix      *mix
	workers  []bench.Worker
	starters []bench.Starter // nil for parts that are not starters
	// earlier has the divided operations of earlier phases, by the number of those phases.
	earlier []*earlierParts
	// blocking is the operation of a part that is not a starter.
	blocking struct {
		part int
		op   *bench.Op
		run  func()
	}
}

// Do implements [bench.Worker]. Each part has its own numbers of operations.
func (w *mixWorker) Do(ctx context.Context, op *bench.Op) error {
	n, before := op.N, op.Before
	part := w.divide(op)
	err := w.workers[part].Do(ctx, op)
	op.N, op.Before = n, before
	return err
}

// divide numbers the operation among those of its part, and returns the part.
func (w *mixWorker) divide(op *bench.Op) (part int) {
	part, op.N, op.Before = w.numberOf(op.N, op.Earlier())
	return part
}

// numberOf returns the part of operation n of a phase, its number among the operations of that
// part, and how many the part had in earlier phases.
func (w *mixWorker) numberOf(n uint64, earlier []uint64) (part int, own, before uint64) {
	part, own = w.mix.turns.at(n)
	if len(earlier) > 0 {
		before = w.earlierOf(earlier)[part]
	}
	return part, own, before
}

// AsStarter implements [bench.StarterWorker]. A mix can start operations if one of its parts
// can; the operations of the other parts wait on a goroutine.
func (w *mixWorker) AsStarter() bench.Starter {
	any := false
	w.starters = make([]bench.Starter, len(w.workers))
	for i, worker := range w.workers {
		if s, ok := worker.(bench.StarterWorker); ok {
			w.starters[i] = s.AsStarter()
			any = any || w.starters[i] != nil
		}
	}
	if !any {
		return nil
	}
	w.blocking.run = w.block
	return w
}

// Start implements [bench.Starter].
func (w *mixWorker) Start(op *bench.Op) {
	part := w.divide(op)
	if s := w.starters[part]; s != nil {
		s.Start(op)
		return
	}
	w.blocking.part, w.blocking.op = part, op
	go w.blocking.run()
}

// block executes an operation that waits.
func (w *mixWorker) block() {
	op := w.blocking.op
	ctx, cancel := op.Context()
	err := w.workers[w.blocking.part].Do(ctx, op)
	if err != nil && ctx.Err() != nil && status.Code(err) != codes.DeadlineExceeded && !errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	cancel()
	op.Complete(err)
}

// Flush implements [bench.Starter].
func (w *mixWorker) Flush() {
	for _, s := range w.starters {
		if s != nil {
			s.Flush()
			return // all have the client's connection
		}
	}
}

// Cancel implements [bench.Starter]. The context ends operations that wait on a goroutine.
func (w *mixWorker) Cancel() {
	for _, s := range w.starters {
		if s != nil {
			s.Cancel()
		}
	}
}

// earlierParts is how many operations of earlier phases each part had.
type earlierParts struct {
	of    *uint64 // address of the first element of [bench.Op.Earlier], which identifies the phase
	parts []uint64
}

// earlierOf divides the operations of earlier phases among the parts, once for each phase.
func (w *mixWorker) earlierOf(earlier []uint64) []uint64 {
	for len(w.earlier) <= len(earlier) {
		w.earlier = append(w.earlier, nil)
	}
	if e := w.earlier[len(earlier)]; e != nil && e.of == &earlier[0] {
		return e.parts
	}
	shared, ok := w.mix.earlier.Load(len(earlier))
	if !ok || shared.(*earlierParts).of != &earlier[0] {
		e := &earlierParts{of: &earlier[0], parts: make([]uint64, len(w.workers))}
		for i := range e.parts {
			for _, n := range earlier {
				e.parts[i] += w.mix.turns.before(i, n)
			}
		}
		w.mix.earlier.Store(len(earlier), e)
		shared = e
	}
	w.earlier[len(earlier)] = shared.(*earlierParts)
	return w.earlier[len(earlier)].parts
}
