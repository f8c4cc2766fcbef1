package transport

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// simpleTokens is a member whose tokens end after a time without a request, as etcd's simple
// tokens do.
type simpleTokens struct {
	pb.UnimplementedAuthServer
	pb.UnimplementedKVServer
	ttl time.Duration

	mu              sync.Mutex
	ends            map[string]time.Time
	logins, refused int
}

func (s *simpleTokens) Authenticate(context.Context, *pb.AuthenticateRequest) (*pb.AuthenticateResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins++
	token := fmt.Sprint("token.", s.logins)
	s.ends[token] = time.Now().Add(s.ttl)
	return &pb.AuthenticateResponse{Header: &pb.ResponseHeader{}, Token: token}, nil
}

func (s *simpleTokens) Put(ctx context.Context, _ *pb.PutRequest) (*pb.PutResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	token := fmt.Sprint(md.Get(rpctypes.TokenFieldNameGRPC))
	token = token[1 : len(token)-1]
	if !time.Now().Before(s.ends[token]) {
		s.refused++
		return nil, rpctypes.ErrGRPCInvalidAuthToken
	}
	s.ends[token] = time.Now().Add(s.ttl)
	return &pb.PutResponse{Header: &pb.ResponseHeader{Revision: 2, ClusterId: 1, MemberId: 1, RaftTerm: 1}}, nil
}

func (s *simpleTokens) counts() (logins, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins, s.refused
}

// A token whose expiry time is not visible is renewed when a member refuses it, and from then
// on before it ends: no request fails, and no second one is refused. While tokens are not
// refused, none is renewed.
func TestSimpleTokensAreRenewedBeforeTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &inMemory{conns: make(chan net.Conn), done: make(chan struct{})}
		member := &simpleTokens{ttl: 2 * time.Second, ends: map[string]time.Time{}}
		server := grpc.NewServer()
		pb.RegisterAuthServer(server, member)
		pb.RegisterKVServer(server, member)
		go func() { _ = server.Serve(listener) }()
		pool, err := Dial(t.Context(), Options{
			Endpoints: []string{"10.0.0.1:2379"}, Conns: 8, Timeout: 5 * time.Second, Kind: GRPC, User: "bench", Password: "pass",
			dialer: func(context.Context, string) (net.Conn, error) {
				client, peer := net.Pipe()
				listener.conns <- peer
				return client, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			pool.Close()
			server.Stop()
			_ = listener.Close()
		}()
		put := func(each, length time.Duration) {
			for at := time.Duration(0); at < length; at += each {
				for _, c := range pool.Conns() {
					if _, err := pb.NewKVClient(c).Put(t.Context(), &pb.PutRequest{Key: []byte("k")}); err != nil {
						t.Errorf("put: %v", err)
					}
				}
				time.Sleep(each)
			}
		}
		put(time.Second, time.Minute) // tokens that are used do not end
		if logins, refused := member.counts(); logins != 1 || refused != 0 {
			t.Errorf("%d logins and %d refusals of a token that is used, want 1 and 0", logins, refused)
		}
		time.Sleep(2 * time.Second)
		// The first refusal is of a token of one minute, later ones show shorter lives.
		put(3*time.Second, 15*time.Second)
		_, before := member.counts()
		put(3*time.Second, 10*time.Minute)
		if _, after := member.counts(); after != before || before > 4 {
			t.Errorf("%d refusals in the first 15 s, want at most 4, %d in the 10 min after them, want none", before, after-before)
		}
	})
}

// The first refusal is enough where the token was not used for longer than it lasts.
func TestOneRefusalShowsTheLifeOfTokens(t *testing.T) {
	l := newLogin(Options{})
	old := newToken("token.1")
	l.current.Store(old)
	if d := l.due(old); d < 24*time.Hour {
		t.Errorf("a token of which nothing is known is renewed after %v", d)
	}
	old.got = old.got.Add(-8 * time.Second)
	l.learn(old, rpctypes.ErrGRPCAuthOldRevision)
	if l.life.Load() != 0 {
		t.Error("a change of users says nothing about the life of tokens")
	}
	l.learn(old, rpctypes.ErrGRPCInvalidAuthToken)
	next := newToken("token.2")
	if d := l.due(next); d < time.Second || d > 3*time.Second {
		t.Errorf("after a refusal at 8 s the next token is renewed after %v, want 2 s", d)
	}
	l.learn(old, rpctypes.ErrGRPCInvalidAuthToken)
	l.current.Store(next)
	l.learn(old, rpctypes.ErrGRPCInvalidAuthToken) // late: the token has been replaced
	if life := time.Duration(l.life.Load()); life < 8*time.Second || life > 10*time.Second {
		t.Errorf("life %v, want 8 s", life)
	}
}
