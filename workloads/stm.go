package workloads

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

func stmEntry() Entry {
	return Entry{
		Name:    "stm",
		Summary: "software transactional memory: read keys, write them, retry on conflict",
		Measures: "An operation is one clientv3/concurrency STM transaction that reads --keys-per-txn keys and writes " +
			"--txn-wr-percent of them, up to its commit. Attempts and conflicts are counted; the wait for the arrival is " +
			"outside the transaction.",
		Define: func() Definition { return new(stmDefinition) },
	}
}

type stmDefinition struct {
	keys      Keys
	values    Values
	each      int
	percent   int
	isolation string

	level concurrency.Isolation
}

func (d *stmDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", 1000)
	d.values.addFlags(fs)
	fs.IntVar(&d.each, "keys-per-txn", 2, "different keys that a transaction reads")
	fs.IntVar(&d.percent, "txn-wr-percent", 50, "percentage of the read keys that a transaction writes")
	fs.StringVar(&d.isolation, "isolation", "ss", "ss: serializable snapshot, s: serializable, r: repeatable reads, c: read committed")
	addChoices(fs, "isolation", "ss", "s", "r", "c")
}

// putsAtOnce implements [severalWriter].
func (d *stmDefinition) putsAtOnce() int { return d.each }

func (d *stmDefinition) Validate(prefix string) error {
	levels := map[string]concurrency.Isolation{
		"ss": concurrency.SerializableSnapshot, "s": concurrency.Serializable,
		"r": concurrency.RepeatableReads, "c": concurrency.ReadCommitted,
	}
	var ok bool
	if d.level, ok = levels[d.isolation]; !ok {
		return fmt.Errorf("--isolation must be ss, s, r or c, not %q", d.isolation)
	}
	if d.each < 1 || d.each > maxTxnOps || int64(d.each) > d.keys.Space {
		return fmt.Errorf("--keys-per-txn must be between 1 and %d, and not above --key-space-size, but is %d", maxTxnOps, d.each)
	}
	if d.percent < 0 || d.percent > 100 {
		return fmt.Errorf("--txn-wr-percent must be between 0 and 100, not %d", d.percent)
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	if err := d.values.validate(d.keys.Size); err != nil {
		return err
	}
	return validateTxnOps(d.each, d.keys, d.values)
}

// writes returns the number of keys that a transaction writes.
func (d *stmDefinition) writes() int { return d.each * d.percent / 100 }

func (d *stmDefinition) New(t Target) (bench.Workload, error) {
	return &stmWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type stmWorkload struct {
	definition stmDefinition
	target     Target
	pool       *values.Source
	facades    []*facade
}

// The counts of a transaction.
const (
	stmAttempts = iota
	stmConflicts
)

func (*stmWorkload) Name() string { return "stm" }
func (w *stmWorkload) Kinds() []bench.Kind {
	counts := []bench.CountName{{Name: "attempts"}, {Name: "conflicts", Of: "attempts"}}
	return []bench.Kind{{Name: "stm", Write: w.definition.writes() > 0, Counts: counts}}
}

// Open implements [bench.Opener].
func (w *stmWorkload) Open(context.Context, func(done, total int)) error {
	if w.facades == nil {
		w.facades = newFacades(w.target)
	}
	return nil
}

// Setup implements [bench.Workload].
func (w *stmWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	return populate(ctx, w.target, w.definition.keys, w.pool, progress)
}

// Teardown implements [bench.Workload].
func (w *stmWorkload) Teardown(context.Context) error {
	for _, f := range w.facades {
		f.close()
	}
	w.facades = nil
	return nil
}

func (w *stmWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return &stmWorker{
		writer: newWriter(w.target, w.definition.keys, w.pool, ledger.Removal{}), definition: w.definition, writes: w.definition.writes(),
		client: w.facades[client%len(w.facades)],
	}, nil
}

type stmWorker struct {
	*writer
	definition stmDefinition
	writes     int
	client     *facade
	numbers    []int64
	names      []string
	values     [][]byte
}

// Do implements [bench.Worker].
func (w *stmWorker) Do(ctx context.Context, op *bench.Op) error {
	w.numbers = w.keys.several(w.numbers[:0], op, w.definition.each)
	w.names, w.values = w.names[:0], w.values[:0]
	for i, n := range w.numbers {
		w.names = append(w.names, string(w.keys.appendKey(nil, n)))
		if i < w.writes {
			w.values = append(w.values, w.value(i))
		}
	}
	w.send(op, w.values...)
	attempts := uint64(0)
	// The transaction runs on a goroutine of the recipe's, which has ended when
	// NewSTM returns.
	r, err := concurrency.NewSTM(w.client.Client, func(s concurrency.STM) error {
		attempts++
		for _, name := range w.names {
			if s.Get(name) == "" && w.definition.values.choice.Low > 0 {
				return errMissing
			}
		}
		for i, v := range w.values {
			s.Put(w.names[i], string(v))
		}
		return ctx.Err()
	}, concurrency.WithIsolation(w.definition.level), concurrency.WithAbortContext(ctx))
	op.Count(stmAttempts, attempts)
	if attempts > 1 {
		op.Count(stmConflicts, attempts-1)
	}
	if err != nil {
		if w.writes > 0 && !errors.Is(err, errMissing) {
			w.failed(err, w.numbers[:w.writes]...)
		}
		return err
	}
	if w.writes > 0 {
		w.acked(op, r.Header.Revision, w.numbers[0])
	}
	for i, v := range w.values {
		w.space.Wrote(w.numbers[i], r.Header.Revision, v)
	}
	return nil
}
