package workloads

import (
	"context"
	"time"

	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"

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
	fs.DurationVar(&d.ttl, "ttl", 5*time.Minute, "time to live of the leases; etcd raises a value below 1.5 election timeouts")
}

func (d *leaseGrantDefinition) Validate(string) error { return validateTTL(d.ttl) }

func (d *leaseGrantDefinition) New(t Target) (bench.Workload, error) {
	return &leaseGrantWorkload{definition: *d, target: t, book: newLeaseBook(t)}, nil
}

type leaseGrantWorkload struct {
	noSetup
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
	g := &leaseGrantScript{book: w.book}
	g.message.TTL = int64(w.definition.ttl / time.Second)
	return newScripted(w.target.link(client), g), nil
}

// leaseGrantScript is an operation of one LeaseGrant.
type leaseGrantScript struct {
	message pb.LeaseGrantRequest
	book    *leaseBook
}

func (g *leaseGrantScript) first(op *bench.Op) (request, error) {
	g.message.ID = g.book.id()
	op.Send()
	return request{methodLeaseGrant, &g.message}, nil
}

func (g *leaseGrantScript) next(_ *bench.Op, _ proto.Message, err error) (request, error) {
	if err != nil {
		g.book.failed(g.message.ID, err)
	}
	return request{}, err
}
