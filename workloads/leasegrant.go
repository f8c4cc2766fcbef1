package workloads

import (
	"context"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcdbench/etcdbench/bench"
)

func leaseGrantEntry() Entry {
	return Entry{
		Name:     "lease-grant",
		Summary:  "grant leases",
		Measures: "An operation is one LeaseGrant. The leases are revoked after the run.",
		Define:   func() Definition { return new(leaseGrantDefinition) },
	}
}

type leaseGrantDefinition struct{ ttl time.Duration }

func (d *leaseGrantDefinition) AddFlags(fs *pflag.FlagSet) {
	fs.DurationVar(&d.ttl, "ttl", 5*time.Minute, "time to live of the leases; etcd raises one below one and a half election timeouts")
}

func (d *leaseGrantDefinition) Validate(string) error { return validateTTL(d.ttl) }

func (d *leaseGrantDefinition) New(t Target) (bench.Workload, error) {
	return &leaseGrantWorkload{definition: *d, target: t, book: newLeaseBook()}, nil
}

type leaseGrantWorkload struct {
	nothing
	definition leaseGrantDefinition
	target     Target
	book       *leaseBook
}

func (*leaseGrantWorkload) Name() string        { return "lease-grant" }
func (*leaseGrantWorkload) Kinds() []bench.Kind { return []bench.Kind{{Name: "lease-grant"}} }

// Teardown implements [bench.Workload].
func (w *leaseGrantWorkload) Teardown(ctx context.Context) error {
	return w.book.tearDown(ctx, w.target)
}

func (w *leaseGrantWorkload) NewWorker(_ context.Context, client int) (bench.Worker, error) {
	c := &leaseGrantWorker{book: w.book, lease: pb.NewLeaseClient(w.target.conn(client))}
	c.req.TTL = int64(w.definition.ttl / time.Second)
	return c, nil
}

type leaseGrantWorker struct {
	book  *leaseBook
	lease pb.LeaseClient
	req   pb.LeaseGrantRequest
}

// Do implements [bench.Worker].
func (w *leaseGrantWorker) Do(ctx context.Context, op *bench.Op) error {
	w.req.ID = w.book.id()
	op.Send()
	_, err := w.lease.LeaseGrant(ctx, &w.req)
	if err != nil {
		w.book.failed(w.req.ID, err)
	}
	return err
}
