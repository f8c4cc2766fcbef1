package transporttest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// A Lie is what a [Liar] does with a request that it answers.
type Lie int

// The values of [Lie].
const (
	// NoLie forwards every write and passes on its answer.
	NoLie Lie = iota
	// Drop acknowledges a write and discards it.
	Drop
	// Late acknowledges a write and forwards it some time later.
	Late
	// Reorder acknowledges a write and forwards it after the next write of its key.
	Reorder
	// StaleRead answers a read of one key with what an earlier read of it found.
	StaleRead
	// WrongCompare answers a transaction that compared well as one that did not, or the
	// other way round.
	WrongCompare
	// SwallowEvent leaves out one event of a watch.
	SwallowEvent
	// Phantom neither forwards nor answers one put, and answers the next read of its key as if
	// it had been done.
	Phantom
	// RevokedLease answers a read of a key whose lease was revoked with what an earlier read found.
	RevokedLease
	// TwoHolders lets a client acquire a lock that another one holds and a third one waits for.
	TwoHolders
	// LeaveOut leaves one key out of the answer of a RangeStream.
	LeaveOut
)

// LiarOptions are the options of a [Liar].
type LiarOptions struct {
	// Lie is what is done to one in each Every writes, reads, comparisons or events, at
	// random places that Seed fixes, but not to the first of them. Every must be at least 3.
	Lie   Lie
	Every uint64
	Seed  uint64
	// Once ends the lies after the first.
	Once bool
	// Delay is how late a late write is forwarded, and how long a reordered one waits
	// for another of its key at most.
	Delay time.Duration
	// Stale acknowledges with the highest revision that was seen, as it is; otherwise
	// with the next one, which is the best guess. A stale read has the header of the
	// earlier one; otherwise its own.
	Stale bool
}

// Liar is a gRPC proxy in front of a member of etcd that acknowledges some puts, and
// transactions that begin with one, without doing them as it says.
type Liar struct {
	Address string
	options LiarOptions
	member  *grpc.ClientConn
	server  *grpc.Server
	late    sync.WaitGroup

	mu       sync.Mutex
	rand     *rand.Rand
	writes   uint64
	next     uint64 // write to lie about
	lies     int
	revision int64                // highest seen
	held     map[string]*heldBack // by key
	owed     bool                 // a lie that was not possible yet
	earlier  map[string][]byte    // answers of reads, by request
	phantoms map[string][]byte    // values that were not written, by key
	revoked  map[int64]int64      // revisions of revocations, by lease
}

// heldBack is a write that waits for another of its key.
type heldBack struct {
	method  string
	request []byte
	once    sync.Once
}

// NewLiar starts a proxy on a free loopback port.
func NewLiar(target string, o LiarOptions) (*Liar, error) {
	member, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start proxy: %w", err), member.Close())
	}
	p := &Liar{
		Address: l.Addr().String(), options: o, member: member, rand: rand.New(rand.NewPCG(o.Seed, 1)), held: map[string]*heldBack{},
		earlier: map[string][]byte{}, phantoms: map[string][]byte{}, revoked: map[int64]int64{},
	}
	p.next = p.choose(0)
	p.server = grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(p.handle))
	go func() { _ = p.server.Serve(l) }() // ends with Stop
	return p, nil
}

// Stop closes the proxy and its connections.
func (p *Liar) Stop() {
	p.server.Stop()
	p.Settle()
	_ = p.member.Close()
}

// Lies returns how many writes were lied about.
func (p *Liar) Lies() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lies
}

// Settle waits until what was held back has been forwarded.
func (p *Liar) Settle() { p.late.Wait() }

// choose returns the write to lie about in a block of writes.
func (p *Liar) choose(block uint64) uint64 {
	if p.options.Lie == NoLie {
		return 0
	}
	return block*p.options.Every + 2 + p.rand.Uint64N(p.options.Every-2)
}

// rawCodec passes messages on as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

// handle serves one call of any method.
func (p *Liar) handle(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	switch {
	case method == pb.KV_Range_FullMethodName && p.options.Lie == StaleRead:
		return p.read(ctx, s)
	case method == pb.KV_Range_FullMethodName && p.options.Lie == RevokedLease:
		return p.readRevoked(ctx, s)
	case method == pb.Lease_LeaseRevoke_FullMethodName && p.options.Lie == RevokedLease:
		return p.revoke(ctx, s)
	case method == pb.KV_Txn_FullMethodName && p.options.Lie == TwoHolders:
		return p.lock(ctx, s)
	case method == pb.KV_Range_FullMethodName && p.options.Lie == Phantom:
		return p.readPhantom(ctx, s)
	case method == pb.KV_Put_FullMethodName && p.options.Lie == Phantom:
		return p.keepSilent(ctx, s)
	case method == pb.KV_Txn_FullMethodName && p.options.Lie == WrongCompare:
		return p.compare(ctx, s)
	}
	if method == pb.KV_Put_FullMethodName || method == pb.KV_Txn_FullMethodName {
		return p.write(ctx, method, s)
	}
	return forward(ctx, s, p.member, method, func(m []byte) ([]byte, bool) {
		swallowed := method == pb.Watch_Watch_FullMethodName && p.options.Lie == SwallowEvent && p.swallow(&m)
		if method == pb.KV_RangeStream_FullMethodName && p.options.Lie == LeaveOut {
			m = p.leaveOut(m)
		}
		return m, !swallowed
	})
}

// write serves a put or a transaction.
func (p *Liar) write(ctx context.Context, method string, s grpc.ServerStream) error {
	var request, reply []byte
	if err := s.RecvMsg(&request); err != nil {
		return err
	}
	key, acknowledgement := acknowledge(method, request)
	held := p.takeHeld(key)
	if acknowledgement != nil && held == nil && p.options.Lie <= Reorder {
		if revision, lie := p.turn(); lie {
			p.falsify(method, key, request)
			acknowledgement.Header.Revision = revision
			answer, err := proto.Marshal(acknowledgement.message())
			if err != nil {
				return err
			}
			return s.SendMsg(&answer)
		}
	}
	err := p.member.Invoke(ctx, method, &request, &reply)
	if held != nil {
		p.forward(held)
	}
	if err != nil {
		return err
	}
	p.see(reply)
	return s.SendMsg(&reply)
}

// answer is an acknowledgement that was made up.
type answer struct {
	*pb.TxnResponse
	put bool
}

func (a *answer) message() proto.Message {
	if a.put {
		return &pb.PutResponse{Header: a.Header}
	}
	return a.TxnResponse
}

// acknowledge returns the first key of a write and its acknowledgement, which is nil
// for transactions that do not begin with a put.
func acknowledge(method string, request []byte) (key string, _ *answer) {
	header := &pb.ResponseHeader{ClusterId: 1, MemberId: 1, RaftTerm: 2}
	if method == pb.KV_Put_FullMethodName {
		var put pb.PutRequest
		if proto.Unmarshal(request, &put) != nil {
			return "", nil
		}
		return string(put.Key), &answer{TxnResponse: &pb.TxnResponse{Header: header}, put: true}
	}
	var txn pb.TxnRequest
	if proto.Unmarshal(request, &txn) != nil || len(txn.Success) == 0 || txn.Success[0].GetRequestPut() == nil {
		return "", nil
	}
	r := &pb.TxnResponse{Header: header, Succeeded: true}
	for range txn.Success {
		r.Responses = append(r.Responses, &pb.ResponseOp{Response: &pb.ResponseOp_ResponsePut{ResponsePut: &pb.PutResponse{}}})
	}
	return string(txn.Success[0].GetRequestPut().Key), &answer{TxnResponse: r}
}

// turn counts a write, and reports whether to lie about it, with which revision.
func (p *Liar) turn() (revision int64, lie bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.writes++
	if p.options.Lie == NoLie || p.writes < p.next || p.revision == 0 || p.options.Once && p.lies > 0 {
		return 0, false
	}
	p.next = p.choose(p.writes/p.options.Every + 1)
	p.lies++
	if p.options.Stale {
		return p.revision, true
	}
	return p.revision + 1, true
}

// see notes the revision of an answer. Both kinds of answers have their header first.
func (p *Liar) see(reply []byte) {
	var r pb.PutResponse
	if proto.Unmarshal(reply, &r) == nil {
		p.mu.Lock()
		p.revision = max(p.revision, r.GetHeader().GetRevision())
		p.mu.Unlock()
	}
}

// falsify handles a write that is acknowledged before the member has seen it.
func (p *Liar) falsify(method, key string, request []byte) {
	if p.options.Lie == Drop {
		return
	}
	h := &heldBack{method: method, request: request}
	if p.options.Lie == Reorder {
		p.mu.Lock()
		p.held[key] = h
		p.mu.Unlock()
	}
	p.late.Go(func() {
		time.Sleep(p.options.Delay)
		p.forward(h)
	})
}

// takeHeld returns the write that waits for one of this key, if there is one.
func (p *Liar) takeHeld(key string) *heldBack {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.held[key]
	delete(p.held, key)
	return h
}

// forward sends a write that was held back, once.
func (p *Liar) forward(h *heldBack) {
	h.once.Do(func() {
		var reply []byte
		_ = p.member.Invoke(context.Background(), h.method, &h.request, &reply)
	})
}
