package workloads

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"

	"github.com/etcdbench/etcdbench/bench"
)

func leaseKeepaliveEntry() Entry {
	return Entry{
		Name:    "lease-keepalive",
		Summary: "keep leases alive",
		Measures: "An operation is the renewal of one lease: a request and its response on the client's long-lived LeaseKeepAlive " +
			"stream. With --once, each renewal opens a stream and closes it, as clientv3's KeepAliveOnce does; its time includes both.",
		Define: func() Definition { return new(leaseKeepaliveDefinition) },
	}
}

type leaseKeepaliveDefinition struct {
	leases int
	ttl    time.Duration
	once   bool
}

func (d *leaseKeepaliveDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.leases, "leases", 1000, "leases that exist at the start")
	fs.DurationVar(&d.ttl, "ttl", 5*time.Minute, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
	fs.BoolVar(&d.once, "once", false, "use a new stream for each renewal")
}

func (d *leaseKeepaliveDefinition) Validate(string) error {
	if err := validateLeases(d.leases); err != nil {
		return err
	}
	return validateTTL(d.ttl)
}

// maxLeases bounds the leases of a run; each takes some hundred bytes in every
// member.
const maxLeases = 10_000_000

func validateLeases(n int) error {
	if n < 1 || n > maxLeases {
		return fmt.Errorf("--leases must be between 1 and %d, not %d", maxLeases, n)
	}
	return nil
}

func (d *leaseKeepaliveDefinition) New(t Target) (bench.Workload, error) {
	return &leaseKeepaliveWorkload{definition: *d, target: t, book: newLeaseBook(t)}, nil
}

type leaseKeepaliveWorkload struct {
	noSetup
	definition leaseKeepaliveDefinition
	target     Target
	book       *leaseBook
	ids        []int64
	streams    closers
}

func (*leaseKeepaliveWorkload) Name() string        { return "lease-keepalive" }
func (*leaseKeepaliveWorkload) Kinds() []bench.Kind { return []bench.Kind{{Name: "lease-keepalive"}} }

// Open implements [bench.Opener]. Each share has its own leases, at least one.
func (w *leaseKeepaliveWorkload) Open(ctx context.Context, progress func(done, total int)) (err error) {
	if err := w.book.revokeAll(ctx, w.target); err != nil {
		return err
	}
	own := max(1, w.target.Share.Below(uint64(w.definition.leases)))
	w.ids, err = w.book.grantMany(ctx, w.target, int(own), w.definition.ttl, progress)
	return err
}

// grantMany grants leases, several of them concurrently.
func (b *leaseBook) grantMany(
	ctx context.Context, t Target, count int, ttl time.Duration, progress func(done, total int),
) ([]int64, error) {
	ids := make([]int64, count)
	var done atomic.Int64
	st := t.begin(ctx, func() string { return fmt.Sprintf("%d of %d leases granted", done.Load(), count) })
	g, gctx := errgroup.WithContext(st.ctx)
	g.SetLimit(leaseWorkers)
	for i := range ids {
		g.Go(func() error {
			r, err := b.grant(gctx, t.conn(i), ttl)
			if err != nil {
				return err
			}
			ids[i] = r.ID
			done.Add(1)
			st.progress()
			return nil
		})
		if progress != nil {
			progress(int(done.Load()), count)
		}
	}
	if err := st.end(g.Wait()); err != nil {
		return nil, fmt.Errorf("grant leases: %w", err)
	}
	return ids, nil
}

// Teardown implements [bench.Workload].
func (w *leaseKeepaliveWorkload) Teardown(ctx context.Context) error {
	w.streams.closeAll()
	return w.book.tearDown(ctx, w.target)
}

func (w *leaseKeepaliveWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	if w.definition.once {
		return newScripted(w.target.link(client), &leaseRenewScript{leaseKeepaliveWorkload: w}), nil
	}
	c := &leaseKeepaliveWorker{leaseKeepaliveWorkload: w, renew: keepalives(w.target, client)}
	w.streams.add(c.renew.close)
	return c, nil
}

// keepalives returns a client's stream of renewals.
func keepalives(t Target, client int) *exchange[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse] {
	return &exchange[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]{
		open: func(ctx context.Context) (duplex[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse], error) {
			return pb.NewLeaseClient(t.conn(client)).LeaseKeepAlive(ctx)
		},
	}
}

type leaseKeepaliveWorker struct {
	*leaseKeepaliveWorkload
	renew *exchange[pb.LeaseKeepAliveRequest, pb.LeaseKeepAliveResponse]
	req   pb.LeaseKeepAliveRequest
}

var (
	errLeaseEnded = errors.New("the lease has ended")
	errOtherLease = errors.New("the response is for another lease")
)

// Do implements [bench.Worker].
func (w *leaseKeepaliveWorker) Do(ctx context.Context, op *bench.Op) error {
	w.req.ID = w.leaseOf(op)
	op.Send()
	r, err := w.renew.ask(ctx, &w.req, func(r *pb.LeaseKeepAliveResponse) bool { return r.ID == w.req.ID })
	if err == nil && r.TTL <= 0 {
		err = errLeaseEnded
	}
	return err
}

// leaseOf returns the lease that an operation renews.
func (w *leaseKeepaliveWorkload) leaseOf(op *bench.Op) int64 {
	return w.ids[op.N/uint64(max(1, w.target.Share.Count))%uint64(len(w.ids))]
}

// leaseRenewScript is an operation of one LeaseKeepAlive stream with one request, which
// looks like a unary call on the wire.
type leaseRenewScript struct {
	*leaseKeepaliveWorkload
	message pb.LeaseKeepAliveRequest
}

func (s *leaseRenewScript) first(op *bench.Op) (request, error) {
	s.message.ID = s.leaseOf(op)
	op.Send()
	return request{methodKeepAlive, &s.message}, nil
}

func (s *leaseRenewScript) next(_ *bench.Op, reply proto.Message, err error) (request, error) {
	if err != nil {
		return request{}, err
	}
	switch r := reply.(*pb.LeaseKeepAliveResponse); {
	case r.ID != s.message.ID:
		return request{}, errOtherLease
	case r.TTL <= 0:
		return request{}, errLeaseEnded
	}
	return request{}, nil
}
