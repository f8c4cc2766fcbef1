package transporttest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Mangler is a gRPC proxy in front of a member of etcd that changes a share of the
// replies: well-formed messages that etcd does not send, with fields that are missing,
// lists that are shorter or longer, and numbers near their limits.
type Mangler struct {
	Address string
	share   float64
	member  *grpc.ClientConn
	server  *grpc.Server
	active  atomic.Bool
	mangled atomic.Int64

	mu   sync.Mutex
	rand *rand.Rand
}

// NewMangler starts a proxy on a free loopback port. It changes a share of the replies, at
// places and in ways that the seed fixes for a given order of the replies.
func NewMangler(target string, share float64, seed uint64) (*Mangler, error) {
	member, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start proxy: %w", err), member.Close())
	}
	m := &Mangler{Address: l.Addr().String(), share: share, member: member, rand: rand.New(rand.NewPCG(seed, 2))}
	m.active.Store(true)
	m.server = grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(m.handle))
	go func() { _ = m.server.Serve(l) }() // ends with Stop
	return m, nil
}

// Stop closes the proxy and its connections.
func (m *Mangler) Stop() {
	m.server.Stop()
	_ = m.member.Close()
}

// Activate begins, or ends, to change replies. A new proxy changes them.
func (m *Mangler) Activate(active bool) { m.active.Store(active) }

// Mangled returns how many replies were changed.
func (m *Mangler) Mangled() int64 { return m.mangled.Load() }

// handle serves one call of any method.
func (m *Mangler) handle(_ any, s grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(s)
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	if md, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, md)
	}
	return forward(ctx, s, m.member, method, func(message []byte) ([]byte, bool) { return m.change(method, message), true })
}

// change returns a reply, changed or as it is.
func (m *Mangler) change(method string, reply []byte) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.active.Load() || m.rand.Float64() >= m.share {
		return reply
	}
	message := newReply(method)
	if message == nil || proto.Unmarshal(reply, message) != nil {
		return reply
	}
	m.mangle(message.ProtoReflect())
	changed, err := proto.Marshal(message)
	if err != nil {
		return reply
	}
	m.mangled.Add(1)
	return changed
}

// newReply returns an empty reply of a method, nil where the method is not known.
func newReply(method string) proto.Message {
	service, name, _ := strings.Cut(strings.TrimPrefix(method, "/"), "/")
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil
	}
	found, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil
	}
	one := found.Methods().ByName(protoreflect.Name(name))
	if one == nil {
		return nil
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(one.Output().FullName())
	if err != nil {
		return nil
	}
	return t.New().Interface()
}

// mangle changes one message, or one that it holds.
func (m *Mangler) mangle(message protoreflect.Message) {
	if m.rand.IntN(8) == 0 {
		proto.Reset(message.Interface())
		return
	}
	fields := message.Descriptor().Fields()
	if fields.Len() == 0 {
		return
	}
	f := fields.Get(m.rand.IntN(fields.Len()))
	switch {
	case f.IsMap():
	case f.IsList():
		m.mangleList(message.Mutable(f).List(), f)
	case f.Message() != nil && message.Has(f) && m.rand.IntN(2) == 0:
		m.mangle(message.Mutable(f).Message())
	case f.Message() != nil || m.rand.IntN(3) == 0:
		message.Clear(f)
	default:
		message.Set(f, m.extreme(f, message.Get(f)))
	}
}

// mangleList shortens a list, adds an empty entry to it, or changes one of its entries.
func (m *Mangler) mangleList(list protoreflect.List, f protoreflect.FieldDescriptor) {
	n := list.Len()
	switch choice := m.rand.IntN(3); {
	case choice == 0 || n == 0 && choice == 1:
		list.Append(list.NewElement())
	case choice == 1:
		list.Truncate(m.rand.IntN(n))
	case n > 0 && f.Message() != nil:
		m.mangle(list.Get(m.rand.IntN(n)).Message())
	case n > 0:
		list.Set(0, m.extreme(f, list.Get(0)))
	}
}

// extreme returns a value of a field that is near a limit of its type.
func (m *Mangler) extreme(f protoreflect.FieldDescriptor, now protoreflect.Value) protoreflect.Value {
	pick := func(n int) int { return m.rand.IntN(n) }
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(!now.Bool())
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum([]protoreflect.EnumNumber{-1, 1, 99}[pick(3)])
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64([]int64{math.MinInt64, math.MaxInt64, -1, 0, 1}[pick(5)])
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32([]int32{math.MinInt32, math.MaxInt32, -1}[pick(3)])
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64([]uint64{0, math.MaxUint64}[pick(2)])
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32([]uint32{0, math.MaxUint32}[pick(2)])
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "\x1b[31m\x1b]0;title\x07", strings.Repeat("x", 100_000)}[pick(3)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([][]byte{nil, {0}, []byte(strings.Repeat("\xff", 10_000))}[pick(3)])
	}
	return now
}
