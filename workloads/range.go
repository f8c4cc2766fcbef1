package workloads

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
)

func rangeEntry() Entry {
	return Entry{
		Name:     "range",
		Summary:  "read one key, neighbouring keys or the whole prefix",
		Measures: "An operation is one read: a Range, all pages of a paginated Range, or a whole RangeStream.",
		Define:   func() Definition { return new(rangeDefinition) },
	}
}

type rangeDefinition struct {
	keys        Keys
	values      Values
	span        string
	limit       int64
	pageSize    int64
	keysOnly    bool
	countOnly   bool
	stream      string
	consistency string
	existing    bool
	readKey     string
	readEnd     string

	width int64 // keys per range; 0 means the whole prefix
}

func (d *rangeDefinition) AddFlags(fs *pflag.FlagSet) {
	d.keys.addFlags(fs, "uniform", defaultSpace)
	d.values.addFlags(fs)
	fs.StringVar(&d.span, "span", "key", "keys that a read covers: key, prefix, or a number of neighbouring keys")
	addChoices(fs, "span", "key", "prefix")
	fs.Int64Var(&d.limit, "limit", 0, "largest number of keys that a read returns (0: all)")
	fs.Int64Var(&d.pageSize, "page-size", 0, "read in pages of this many keys, all at the first page's revision (0: without pages)")
	fs.BoolVar(&d.keysOnly, "keys-only", false, "return keys without values")
	fs.BoolVar(&d.countOnly, "count-only", false, "return only the number of keys")
	fs.StringVar(&d.stream, "stream", "false", "use RangeStream (etcd v3.7 and later): true, false, or auto where the server has it")
	addChoices(fs, "stream", "true", "false", "auto")
	fs.Lookup("stream").NoOptDefVal = "true"
	fs.BoolVar(&d.existing, "existing", false, "read keys that exist already instead of writing a population")
	fs.StringVar(&d.readKey, "read-key", "",
		"read this existing `key`, also outside the prefix; with --span prefix, all keys that begin with it")
	fs.StringVar(&d.readEnd, "read-end", "", "end of the range that starts at --read-key: this `key` is not read")
	fs.StringVar(&d.consistency, "consistency", "l", "consistency of reads: l (linearizable) or s (serializable)")
	addChoices(fs, "consistency", "l", "s")
}

func (d *rangeDefinition) Validate(prefix string) (err error) {
	if d.width, err = spanWidth(d.span, d.keys.Space); err != nil {
		return err
	}
	switch {
	case d.readEnd != "" && d.readKey == "":
		return errors.New("--read-end needs --read-key")
	case d.readEnd != "" && d.span != "key":
		return errors.New("--read-end and --span cannot be combined")
	case d.readKey != "" && d.width > 1:
		return errors.New("--read-key needs --span key or --span prefix")
	case d.limit < 0 || d.pageSize < 0:
		return errors.New("--limit and --page-size must not be negative")
	case d.stream != "true" && d.stream != "false" && d.stream != "auto":
		return fmt.Errorf("--stream must be true, false or auto, not %q", d.stream)
	case d.pageSize > 0 && (d.countOnly || d.stream != "false" || d.limit > 0):
		return errors.New("--page-size cannot be combined with --limit, --count-only or --stream")
	case d.keysOnly && d.countOnly:
		return errors.New("--keys-only and --count-only cannot be combined")
	case d.consistency != "l" && d.consistency != "s":
		return fmt.Errorf("--consistency must be l or s, not %q", d.consistency)
	}
	if err := d.keys.validate(prefix); err != nil {
		return err
	}
	return d.values.validate(d.keys.Size)
}

func (d *rangeDefinition) readsOnly() bool { return d.existing || d.readKey != "" }

func (d *rangeDefinition) New(t Target) (bench.Workload, error) {
	return &rangeWorkload{definition: *d, target: t}, nil
}

type rangeWorkload struct {
	noSetup
	definition rangeDefinition
	target     Target
	// streams means that reads use RangeStream.
	streams bool
}

func (*rangeWorkload) Name() string        { return "range" }
func (*rangeWorkload) Kinds() []bench.Kind { return []bench.Kind{{Name: "range"}} }

// Open implements [bench.Opener].
func (w *rangeWorkload) Open(ctx context.Context, _ func(done, total int)) error {
	return w.chooseStream(ctx)
}

// Setup implements [bench.Workload]. It writes the key space and checks that
// the reads find it.
func (w *rangeWorkload) Setup(ctx context.Context, progress func(done, total int)) error {
	d := w.definition
	if err := w.chooseStream(ctx); err != nil || d.readsOnly() {
		return err
	}
	if err := populate(ctx, w.target, d.keys, d.values.source(w.target.Seed), progress); err != nil {
		return err
	}
	script := w.newScript()
	script.message.Serializable = false // the member may lag
	worker := w.newWorker(script, 0)
	const proofs = 100
	for n := range uint64(proofs) {
		proof, cancel := w.target.patient(ctx)
		err := worker.Do(proof, &bench.Op{N: n})
		cancel()
		if err != nil {
			return fmt.Errorf("check that reads find their keys: read %d of %d: %w", n+1, proofs, err)
		}
	}
	return nil
}

// chooseStream determines whether the server supports RangeStream, if the choice depends on it.
func (w *rangeWorkload) chooseStream(ctx context.Context) error {
	w.streams = w.definition.stream == "true"
	if w.definition.stream != "auto" {
		return nil
	}
	ctx, cancel := w.target.patient(ctx)
	defer cancel()
	stream, err := pb.NewKVClient(w.target.conn(0)).RangeStream(ctx, &pb.RangeRequest{Key: []byte(w.target.Prefix), Limit: 1})
	for err == nil {
		_, err = stream.Recv()
	}
	switch {
	case errors.Is(err, io.EOF):
		w.streams = true
	case status.Code(err) != codes.Unimplemented:
		return fmt.Errorf("try RangeStream: %w", err)
	}
	return nil
}

func (w *rangeWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	return w.newWorker(w.newScript(), client), nil
}

func (w *rangeWorkload) newWorker(r *rangeScript, client int) bench.Worker {
	if w.streams {
		return &rangeStreamWorker{r, pb.NewKVClient(w.target.conn(client))}
	}
	return newScripted(w.target.link(client), r)
}

func (w *rangeWorkload) newScript() *rangeScript {
	d := w.definition
	r := &rangeScript{definition: d, keys: newKeyMaker(d.keys, w.target)}
	r.message.KeysOnly, r.message.CountOnly = d.keysOnly, d.countOnly
	r.message.Serializable = d.consistency == "s"
	r.message.Limit = d.limit
	if d.pageSize > 0 {
		r.message.Limit = d.pageSize
	}
	return r
}

// rangeScript is an operation that reads by one Range, or page by page.
type rangeScript struct {
	message    pb.RangeRequest
	definition rangeDefinition
	keys       *keyMaker
	want       int64 // keys
	found      int64
}

// errMissing is the error of a read that found fewer keys than were written: reads of missing
// keys would give results that are too good.
var errMissing = errors.New("the read found fewer keys than were written")

// errNothing is like errMissing, for keys of other clients.
var errNothing = errors.New("the read found no key")

func (r *rangeScript) first(op *bench.Op) (request, error) {
	d, req := &r.definition, &r.message
	r.found = 0
	if d.readKey != "" {
		req.Key, req.RangeEnd = append(req.Key[:0], d.readKey...), append(req.RangeEnd[:0], d.readEnd...)
		if d.width == 0 {
			req.RangeEnd = append(req.RangeEnd, prefixEnd(d.readKey)...)
		}
	} else {
		req.Key, req.RangeEnd, r.want = r.keys.appendSpan(req.Key, req.RangeEnd, r.keys.pick(op), d.width)
	}
	if d.readsOnly() {
		r.want = 1
	}
	req.Revision = 0
	op.Send()
	return request{methodRange, &r.message}, nil
}

func (r *rangeScript) next(_ *bench.Op, reply proto.Message, err error) (request, error) {
	if err != nil {
		return request{}, err
	}
	page := reply.(*pb.RangeResponse)
	if r.definition.pageSize == 0 {
		return request{}, r.check(page.Count)
	}
	r.found += int64(len(page.Kvs))
	if !page.More || len(page.Kvs) == 0 {
		return request{}, r.check(r.found)
	}
	if r.message.Revision == 0 {
		r.message.Revision = page.GetHeader().GetRevision()
	}
	r.message.Key = append(append(r.message.Key[:0], page.Kvs[len(page.Kvs)-1].Key...), 0)
	return request{methodRange, &r.message}, nil
}

// check returns an error if the operation found fewer keys than were written.
func (r *rangeScript) check(found int64) error {
	switch {
	case found >= r.want:
		return nil
	case r.definition.readsOnly():
		return errNothing
	}
	return errMissing
}

// rangeStreamWorker reads by RangeStream.
type rangeStreamWorker struct {
	*rangeScript
	kv pb.KVClient
}

// Do implements [bench.Worker].
func (w *rangeStreamWorker) Do(ctx context.Context, op *bench.Op) error {
	if _, err := w.first(op); err != nil {
		return err
	}
	found, err := w.readStream(ctx)
	if err != nil {
		return err
	}
	return w.check(found)
}

func (w *rangeStreamWorker) readStream(ctx context.Context) (found int64, err error) {
	s, err := w.kv.RangeStream(ctx, &w.message)
	if err != nil {
		return 0, err
	}
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		// The last chunk has the count of all that matched.
		found = max(found, r.RangeResponse.GetCount())
	}
}
