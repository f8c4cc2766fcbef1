package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/workloads/ledger"
	"github.com/etcdbench/etcdbench/workloads/values"
)

// StorageLayer is a part of etcd that runs in this process, without a server.
type StorageLayer int

// The storage layers.
const (
	// NoLayer is the layer of workloads that need a cluster.
	NoLayer StorageLayer = iota
	// StoreLayer is the multi-version store over its backend.
	StoreLayer
	// LogLayer is the write-ahead log.
	LogLayer
)

func storagePutEntry() Entry {
	return Entry{
		Name:     "storage-put",
		Summary:  "write one key to etcd's storage layer alone",
		Measures: "An operation is one put to etcd's multi-version store in this process; it ends when the write is in the backend's batch.",
		Storage:  StoreLayer,
		Define:   func() Definition { return new(putDefinition) },
	}
}

func storageRangeEntry() Entry {
	return Entry{
		Name:     "storage-range",
		Summary:  "read keys from etcd's storage layer alone",
		Measures: "An operation is one read of etcd's multi-version store in this process, or all pages of a paginated read.",
		Storage:  StoreLayer,
		Define:   func() Definition { return new(storageRangeDefinition) },
	}
}

func storageTxnEntry() Entry {
	return Entry{
		Name:     "storage-txn",
		Summary:  "write several keys in one transaction of etcd's storage layer alone",
		Measures: "An operation is one transaction of --txn-ops puts to different keys of etcd's multi-version store in this process.",
		Storage:  StoreLayer,
		Define:   func() Definition { return new(txnPutDefinition) },
	}
}

func storageCompactEntry() Entry {
	return Entry{
		Name:    "storage-compact",
		Summary: "compact the history of etcd's storage layer alone",
		Measures: "After each --puts puts, an operation is one compaction to the newest revision; it ends when the old revisions are " +
			"removed from the backend and the removal is committed. Puts and compactions are reported separately.",
		Storage: StoreLayer,
		Define:  func() Definition { return new(storageCompactDefinition) },
	}
}

func walAppendEntry() Entry {
	return Entry{
		Name:    "wal-append",
		Summary: "append to etcd's write-ahead log alone",
		Measures: "An operation is one entry with a put, appended to etcd's write-ahead log in this process; it ends when the entry is " +
			"synced. Entries of several clients are saved together, with one fdatasync.",
		Storage: LogLayer,
		Define:  func() Definition { return new(putDefinition) },
	}
}

// storageRangeDefinition is the definition of ranges without the parameters that need a server.
type storageRangeDefinition struct{ rangeDefinition }

func (d *storageRangeDefinition) Validate(prefix string) error {
	switch {
	case d.stream != "false":
		return errors.New("--stream needs a server: the storage layer alone has no RangeStream")
	case d.existing, d.readKey != "":
		return errors.New("--existing and --read-key need a cluster: the store of this workload is new")
	}
	return d.rangeDefinition.Validate(prefix)
}

type storageCompactDefinition struct {
	keys   Keys
	values Values
	puts   uint64
}

func (d *storageCompactDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.Uint64Var(&d.puts, "puts", 1000, "puts before each compaction")
}

func (d *storageCompactDefinition) Validate(prefix string) error {
	const most = 1_000_000
	if d.puts < 1 || d.puts > most {
		return fmt.Errorf("--puts must be between 1 and %d, not %d", most, d.puts)
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

func (d *storageCompactDefinition) New(t Target) (bench.Workload, error) {
	return &storageCompactWorkload{definition: *d, target: t, pool: d.values.source(t.Seed)}, nil
}

type storageCompactWorkload struct {
	noSetup
	definition storageCompactDefinition
	target     Target
	pool       *values.Source
	// newest is the newest acknowledged revision.
	newest atomic.Int64
}

func (*storageCompactWorkload) Name() string { return "storage-compact" }
func (*storageCompactWorkload) Kinds() []bench.Kind {
	return []bench.Kind{{Name: "put", Write: true}, {Name: "compact"}}
}

// KindOf implements [bench.Chooser].
func (w *storageCompactWorkload) KindOf(_ int, n uint64) int {
	if n%(w.definition.puts+1) == w.definition.puts {
		return 1
	}
	return 0
}

func (w *storageCompactWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	s := &storageCompactScript{storageCompactWorkload: w}
	s.init(w.target, w.definition.keys, w.pool, ledger.Removal{})
	s.message.Physical = true
	return newScripted(w.target.link(client), s), nil
}

// storageCompactScript is an operation of one put or one compaction.
type storageCompactScript struct {
	putScript
	*storageCompactWorkload
	message pb.CompactionRequest
}

func (s *storageCompactScript) compacts(op *bench.Op) bool { return s.KindOf(op.Phase, op.N) == 1 }

func (s *storageCompactScript) first(op *bench.Op) (request, error) {
	if !s.compacts(op) {
		return s.putScript.first(op)
	}
	s.message.Revision = s.newest.Load()
	s.send(op)
	return request{methodCompact, &s.message}, nil
}

func (s *storageCompactScript) next(op *bench.Op, reply proto.Message, err error) (request, error) {
	if s.compacts(op) {
		return request{}, err
	}
	if err == nil {
		revision := reply.(*pb.PutResponse).GetHeader().GetRevision()
		for old := s.newest.Load(); old < revision && !s.newest.CompareAndSwap(old, revision); old = s.newest.Load() {
		}
	}
	return s.putScript.next(op, reply, err)
}
