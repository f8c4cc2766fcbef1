package transport

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/api/v3/version"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/etcdbench/etcdbench/bench/transport/lean"
	"github.com/etcdbench/etcdbench/bench/transport/reply"
)

// login keeps the token of a user, which all connections of a pool share. A token with an
// expiry time is renewed at half of its life. Another token is renewed when a member refuses
// it: one request fetches the new token while others wait, and each is sent once more. A
// refused request has had no effect, so that no request is executed twice. The age of the
// refused token shows about how long such tokens last: from then on, they are renewed before.
type login struct {
	user, password string
	current        atomic.Pointer[token]
	bare           *lean.Header  // without a token
	busy           chan struct{} // held during a renewal
	// life is the least age, in nanoseconds, at which a member refused a token without an expiry
	// time; 0 if none did. learned has a value when it has changed.
	life    atomic.Int64
	learned chan struct{}

	cancel context.CancelFunc
	keeper sync.WaitGroup
}

func newLogin(o Options) *login {
	l := &login{
		user: o.User, password: o.Password, busy: make(chan struct{}, 1), learned: make(chan struct{}, 1),
		cancel: func() {}, bare: versionHeader(),
	}
	l.current.Store(newToken(""))
	return l
}

// token is one token, and the header with which requests carry it.
type token struct {
	text    string
	header  metadata.MD
	lean    *lean.Header // the same
	got     time.Time
	expires time.Time // zero if the token does not contain it
	// validAt is when the token was last known to be valid, in nanoseconds of Unix time; 0 after a
	// member has refused it.
	validAt atomic.Int64
}

func newToken(text string) *token {
	t := &token{text: text, got: time.Now(), expires: expiry(text)}
	t.header = metadata.Pairs(rpctypes.MetadataClientAPIVersionKey, version.APIVersion)
	if text != "" {
		t.header.Set(rpctypes.TokenFieldNameGRPC, text)
	}
	t.lean = lean.NewHeader(t.header)
	t.validAt.Store(t.got.UnixNano())
	return t
}

// expiry returns when a JSON Web Token ends; zero for other tokens.
func expiry(text string) time.Time {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0)
}

// authenticate is the method that needs no token.
const authenticate = "/etcdserverpb.Auth/Authenticate"

// renew replaces the token old, unless it has been replaced meanwhile.
func (l *login) renew(ctx context.Context, cc grpc.ClientConnInterface, old *token) error {
	select {
	case l.busy <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-l.busy }()
	if l.current.Load() != old {
		return nil
	}
	r, err := pb.NewAuthClient(cc).Authenticate(ctx, &pb.AuthenticateRequest{Name: l.user, Password: l.password})
	if err != nil && !errors.Is(rpctypes.Error(err), rpctypes.ErrAuthNotEnabled) {
		return err
	}
	l.current.Store(newToken(r.GetToken()))
	return nil
}

// learn keeps the age of a token that a member refused because it has ended.
func (l *login) learn(t *token, refusal error) {
	if !errors.Is(rpctypes.Error(refusal), rpctypes.ErrInvalidAuthToken) || t.text == "" || !t.expires.IsZero() || l.current.Load() != t {
		return
	}
	age := int64(max(time.Since(t.got), 1))
	for {
		life := l.life.Load()
		if life != 0 && life <= age {
			return
		}
		if l.life.CompareAndSwap(life, age) {
			break
		}
	}
	select {
	case l.learned <- struct{}{}:
	default: // the keeper has not seen the last change yet
	}
}

// refused reports whether a member refused the token of a request. A member does so before the
// request takes effect.
func refused(err error) bool {
	switch rpctypes.Error(err) {
	case rpctypes.ErrInvalidAuthToken, rpctypes.ErrAuthOldRevision, rpctypes.ErrUserEmpty:
		return true
	}
	return false
}

// Header implements [lean.Credentials].
func (l *login) Header(method string) *lean.Header {
	if method == authenticate {
		return l.bare
	}
	return l.current.Load().lean
}

// Accepted implements [lean.Credentials].
func (l *login) Accepted(h *lean.Header) {
	if t := l.current.Load(); t.lean == h {
		t.see(time.Now())
	}
}

// Refused implements [lean.Credentials].
func (*login) Refused(err error) bool { return refused(err) }

// Renew implements [lean.Credentials].
func (l *login) Renew(ctx context.Context, cc grpc.ClientConnInterface, old *lean.Header, refusal error) error {
	t := l.current.Load()
	if t.lean != old {
		return nil
	}
	l.learn(t, refusal)
	return l.renew(ctx, cc, t)
}

// unary is a [grpc.UnaryClientInterceptor].
func (l *login) unary(
	ctx context.Context, method string, req, answer any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	t := l.current.Load()
	if method == authenticate {
		return invoker(metadata.NewOutgoingContext(ctx, newToken("").header), method, req, answer, cc, opts...)
	}
	err := invoker(withHeader(ctx, t.header), method, req, answer, cc, opts...)
	if err == nil {
		t.see(time.Now())
		return reply.Check(method, req, answer)
	}
	if !refused(err) {
		return err
	}
	l.learn(t, err)
	if l.renew(ctx, cc, t) != nil {
		return err
	}
	if err := invoker(withHeader(ctx, l.current.Load().header), method, req, answer, cc, opts...); err != nil {
		return err
	}
	return reply.Check(method, req, answer)
}

// see records, from time to time, that the token was valid: clients share the record.
func (t *token) see(now time.Time) {
	if n := now.UnixNano(); n-t.validAt.Load() > int64(trust/10) {
		t.validAt.Store(n)
	}
}

// trust is how long a token without an expiry time is taken to be valid after a successful
// request. A stream cannot be sent twice, so its token is renewed before it is opened.
const trust = time.Second

// needsRenewal reports whether the token must be renewed before a stream is opened.
func (t *token) needsRenewal(now time.Time) bool {
	good := t.validAt.Load()
	return good == 0 || t.expires.IsZero() && t.text != "" && now.UnixNano()-good > int64(trust)
}

// stream is a [grpc.StreamClientInterceptor].
func (l *login) stream(
	ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	t := l.current.Load()
	if t.needsRenewal(time.Now()) {
		if err := l.renew(ctx, cc, t); err != nil {
			return nil, err
		}
		t = l.current.Load()
	}
	for key, values := range t.header {
		ctx = metadata.AppendToOutgoingContext(ctx, key, values[0])
	}
	s, err := streamer(ctx, desc, cc, method, opts...)
	if err != nil {
		return nil, err
	}
	return &loginStream{s, l, t}, nil
}

// loginStream records what its messages show about the token.
type loginStream struct {
	grpc.ClientStream
	login *login
	token *token
}

// RecvMsg implements [grpc.ClientStream].
func (s *loginStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if err != nil && refused(err) {
		s.login.learn(s.token, err)
		s.token.validAt.Store(0)
	}
	return err
}

// renewPause is the shortest time between two renewals of the token, renewTime the time limit
// of an attempt.
const (
	renewPause = 500 * time.Millisecond
	renewTime  = 5 * time.Second
)

// due returns how long to wait before a token is renewed: to half of its life, or to a quarter
// of the least age at which one was refused, because it had ended some time before. A token
// whose life is unknown is not due for renewal: the time is the largest possible.
func (l *login) due(t *token) time.Duration {
	if !t.expires.IsZero() {
		return max(renewPause, time.Until(t.got.Add(t.expires.Sub(t.got)/2)))
	}
	if life := time.Duration(l.life.Load()); life > 0 && t.text != "" {
		return max(renewPause, time.Until(t.got.Add(life/4)))
	}
	return math.MaxInt64
}

// keep renews the token before it ends, through one connection after the other, until the
// login is closed.
func (l *login) keep(ctx context.Context, conns []grpc.ClientConnInterface) {
	ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	l.keeper.Go(func() {
		for try := 0; ; try++ {
			t := l.current.Load()
			timer := time.NewTimer(l.due(t))
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-l.learned:
				timer.Stop()
				continue
			case <-timer.C:
			}
			attempt, cancel := context.WithTimeout(ctx, renewTime)
			_ = l.renew(attempt, conns[try%len(conns)], t) // the next attempt asks another member
			cancel()
		}
	})
}

func (l *login) close() {
	l.cancel()
	l.keeper.Wait()
}
