package workloads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/consistency"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// Part is one workload of a mix, its parameters set and checked.
type Part struct {
	Name string
	// Weight is the part's share of the operations, relative to the others.
	Weight     float64
	Prefix     string
	Definition Definition
}

// Composition describes the workload of a run.
type Composition struct {
	Name       string
	Population []results.PlanPopulation
	Parts      []Part
}

// Compose returns one workload with several parts. Parts with the same prefix use the same
// keys. The part of an operation depends only on its number. The parts alternate as evenly as
// their weights allow, so that the counts match the weights also in short runs.
func Compose(c Composition, t Target) (bench.Workload, error) {
	parts := c.Parts
	t.shared = &shared{leaseIDs: newLeaseIDs(t.LeaseTag)}
	if t.Verify {
		t.shared.ledger = ledger.New(scramble(t.Seed))
		switch {
		case t.Exclusive:
		case t.Disposable:
			t.shared.ledger.Beside("other clients may write")
		default:
			t.shared.ledger.Shared()
		}
		t.shared.checker = consistency.New(consistency.Options{
			Exclusive: (t.Exclusive || t.Disposable) && t.Share.Count <= 1, Keys: requestKeys,
		})
		t.Conns = checkConns(t.shared.checker, t.Conns)
	}
	for _, p := range parts {
		if _, ok := p.Definition.(*watchDefinition); ok {
			t.shared.acks = ledger.NewAcks(t.tag())
		}
	}
	m := &mix{name: c.Name, target: t, population: c.Population}
	var weights []float64
	receives := false
	for _, p := range parts {
		own := t
		own.Prefix = p.Prefix
		w, err := p.Definition.New(own)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		mp := &mixPart{Workload: w, name: p.Name, base: len(m.kinds)}
		mp.chooser, _ = w.(bench.Chooser)
		mp.receiver, _ = w.(bench.Receiver)
		receives = receives || mp.receiver != nil
		kinds := w.Kinds()
		for _, k := range kinds {
			m.kinds = append(m.kinds, mp.rename(k, len(kinds), len(parts)))
		}
		m.parts = append(m.parts, mp)
		weights = append(weights, p.Weight)
	}
	m.turns = newTurns(weights)
	if receives {
		return receivingMix{m}, nil
	}
	return m, nil
}

// mix is a workload with several parts. With one part, it only adds the proof.
type mix struct {
	name       string
	target     Target
	population []results.PlanPopulation
	parts      []*mixPart
	kinds      []bench.Kind
	turns      *turns
	earlier    sync.Map // number of earlier phases → *earlierParts
	// accepted holds the checks of other shares, and shares is the number of these shares.
	accepted results.Proof
	shares   int
	// stopChecks ends the checks during the load. It is nil while there are none.
	stopChecks func()
}

type mixPart struct {
	bench.Workload
	name     string
	base     int // the number of its first kind in the mix
	chooser  bench.Chooser
	receiver bench.Receiver
}

// rename adds the part's name to its kinds if they would otherwise be ambiguous.
func (p *mixPart) rename(k bench.Kind, kinds, parts int) bench.Kind {
	switch {
	case parts == 1:
		return k
	case kinds == 1:
		k.Name = p.name
		return k
	}
	k.Name = p.name + "/" + k.Name
	if k.Of != "" {
		k.Of = p.name + "/" + k.Of
	}
	return k
}

func (m *mix) Name() string { return m.name }

// Transport implements [bench.TransportNamer].
func (m *mix) Transport() string {
	if n, ok := m.target.Conns[0].(bench.TransportNamer); ok {
		return n.Transport()
	}
	if slices.ContainsFunc(m.target.Conns, func(c grpc.ClientConnInterface) bool { return lean.StarterOf(c) != nil }) {
		return results.TransportLean
	}
	return results.TransportGRPC
}

func (m *mix) Kinds() []bench.Kind { return m.kinds }

// Setup implements [bench.Workload].
func (m *mix) Setup(ctx context.Context, progress func(done, total int)) error {
	m.begin(ctx)
	m.startChecks()
	for _, p := range m.population {
		own := m.target
		own.Prefix = p.Prefix
		values := populationValues(p)
		if err := values.validate(p.KeySize); err != nil {
			return err
		}
		keys := Keys{Size: p.KeySize, Space: p.Keys, Distribution: "sequential"}
		if err := populate(ctx, own, keys, values.source(own.Seed), progress); err != nil {
			return err
		}
	}
	for _, p := range m.parts {
		if err := p.Setup(ctx, progress); err != nil {
			return m.explain(p, err)
		}
	}
	return nil
}

// Open implements [bench.Opener].
func (m *mix) Open(ctx context.Context, progress func(done, total int)) error {
	m.startChecks()
	for _, p := range m.parts {
		if o, ok := p.Workload.(bench.Opener); ok {
			if err := o.Open(ctx, progress); err != nil {
				return m.explain(p, err)
			}
		}
	}
	return nil
}

// begin sets the ledger's revision before the first write. If the revision cannot be read, the
// proof contains the error.
func (m *mix) begin(ctx context.Context) {
	l := m.target.shared.ledger
	if l == nil || l.Begun() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, beginTime)
	defer cancel()
	if revision, err := presentRevision(ctx, m.target.reachable(ctx)); err == nil {
		l.Begin(revision)
		m.target.shared.checker.Begin(revision)
	}
}

// startChecks starts the checks of answers, which continue until Teardown.
func (m *mix) startChecks() {
	if m.target.shared.checker == nil || m.stopChecks != nil {
		return
	}
	stop := make(chan struct{})
	var checks sync.WaitGroup
	checks.Go(func() { m.target.shared.checker.Run(stop) })
	m.stopChecks = func() { close(stop); checks.Wait() }
}

// beginTime bounds the reading of the revision before the first write.
const beginTime = 5 * time.Second

// explain adds the name of the part to an error, if there are several parts.
func (m *mix) explain(p *mixPart, err error) error {
	if len(m.parts) == 1 {
		return err
	}
	return fmt.Errorf("%s: %w", p.name, err)
}

// Teardown implements [bench.Workload].
func (m *mix) Teardown(ctx context.Context) error {
	if m.stopChecks != nil {
		m.stopChecks()
		m.stopChecks = nil
	}
	var errs []error
	for _, p := range m.parts {
		if err := p.Teardown(ctx); err != nil {
			errs = append(errs, m.explain(p, err))
		}
	}
	return errors.Join(errs...)
}

// KindOf implements [bench.Chooser].
func (m *mix) KindOf(phase int, n uint64) int {
	i, n := m.turns.at(n)
	p := m.parts[i]
	if p.chooser == nil {
		return p.base
	}
	return p.base + p.chooser.KindOf(phase, n)
}

// NewWorker implements [bench.Workload].
func (m *mix) NewWorker(ctx context.Context, client int) (bench.Worker, error) {
	if len(m.parts) == 1 {
		return m.parts[0].NewWorker(ctx, client)
	}
	w := &mixWorker{mix: m}
	for i, p := range m.parts {
		var worker bench.Worker
		if m.turns.shares[i] > 0 {
			var err error
			if worker, err = p.NewWorker(ctx, client); err != nil {
				return nil, m.explain(p, err)
			}
		}
		w.workers = append(w.workers, worker)
	}
	return w, nil
}

// Background implements [bench.Backgrounder].
func (m *mix) Background(ctx context.Context) error {
	var g errgroup.Group // the failure of one part does not end the others
	for _, p := range m.parts {
		if b, ok := p.Workload.(bench.Backgrounder); ok {
			g.Go(func() error { return b.Background(ctx) })
		}
	}
	return g.Wait()
}

// Found implements [bench.Finder].
func (m *mix) Found() *results.Proof {
	proof := &results.Proof{}
	if c := m.target.shared.checker; c != nil {
		c.Verify(proof)
	}
	return proof
}

// Verify implements [bench.Verifier].
func (m *mix) Verify(ctx context.Context) (*results.Proof, error) {
	return verify(ctx, m)
}

// receivingMix is a mix some of whose parts receive operations.
type receivingMix struct{ *mix }

// Attach implements [bench.Receiver].
func (m receivingMix) Attach(ctx context.Context, s *bench.Sink) error {
	for _, p := range m.parts {
		if p.receiver == nil {
			continue
		}
		if err := p.receiver.Attach(ctx, s.From(p.base)); err != nil {
			return m.explain(p, err)
		}
	}
	return nil
}

// Detach implements [bench.Receiver].
func (m receivingMix) Detach(ctx context.Context) {
	var g errgroup.Group
	for _, p := range m.parts {
		if p.receiver != nil {
			g.Go(func() error { p.receiver.Detach(ctx); return nil })
		}
	}
	_ = g.Wait()
}
