// Package cluster provides the clusters that receive the load: member processes on this
// machine, a cluster inside this process, or a cluster that is already running. All implement
// the interface [Cluster].
//
// Clusters that the package starts listen on loopback and keep their data in their own
// directory. They leave nothing behind when they stop or when this process dies. This is the
// only package that links the etcd server.
package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/etcdbench/etcdbench/bench/transport/reply"
	"github.com/etcdbench/etcdbench/results"
)

// Cluster is a running etcd cluster.
type Cluster interface {
	// Members returns the members. The list does not change while the cluster runs.
	Members() []Member
	// TLS returns the TLS configuration that clients need; nil means plain text.
	TLS() *tls.Config
	// Describe returns what is known without a request to the members.
	Describe() results.Cluster
	// Stop ends what the package started, waits for its end and removes its data. It may be called
	// more than once.
	Stop() error
}

// Member is one member of a cluster.
type Member struct {
	Name string
	// Endpoint is host:port, or the URL that was given for a remote member.
	Endpoint string
	// PID is the process ID of etcd; 0 if this package did not start it.
	PID int
	// Log is the path of the member's log file; "" for remote members.
	Log string
}

// Label returns the member's name in results: its name or, if it has none, its endpoint.
func (m Member) Label() string {
	if m.Name != "" {
		return m.Name
	}
	return m.Endpoint
}

// Endpoints returns the members' endpoints.
func Endpoints(c Cluster) []string {
	var eps []string
	for _, m := range c.Members() {
		eps = append(eps, m.Endpoint)
	}
	return eps
}

// Inspect asks each member for its state and returns the description of the cluster. conns
// holds one connection per member, in the order of the members. It returns an error if a
// member does not answer, or answers with something other than an etcd status.
func Inspect(ctx context.Context, c Cluster, conns []grpc.ClientConnInterface) (results.Cluster, error) {
	d := c.Describe()
	d.Members = nil
	for i, m := range c.Members() {
		s, err := memberStatus(ctx, conns[i])
		if err != nil {
			return d, fmt.Errorf("endpoint %s: %w", m.Endpoint, explain(err))
		}
		d.Members = append(d.Members, results.Member{
			Name: m.Name, Endpoint: m.Endpoint, PID: m.PID,
			ID: strconv.FormatUint(s.Header.MemberId, 16), Version: s.Version,
			Leader: s.Leader == s.Header.MemberId, DBSize: s.DbSize, Quota: s.DbSizeQuota,
		})
		d.Version = s.Version
	}
	return d, nil
}

// ID returns the ID of the cluster that the member belongs to.
func ID(ctx context.Context, conn grpc.ClientConnInterface) (uint64, error) {
	s, err := memberStatus(ctx, conn)
	if err != nil {
		return 0, explain(err)
	}
	return s.Header.ClusterId, nil
}

// Reach returns an error unless an etcd answers at every endpoint with the expected TLS
// configuration. It needs no credentials: conns are connections without a user.
func Reach(ctx context.Context, members []Member, conns []grpc.ClientConnInterface) error {
	for i, m := range members {
		_, err := memberStatus(ctx, conns[i])
		if err != nil && !wantsUser(err) {
			return fmt.Errorf("endpoint %s: %w", m.Endpoint, explain(err))
		}
	}
	return nil
}

// Answers reports whether any of the members answers within a second, with or without an error.
// It sends requests to all members concurrently, and does not wait for the pause between
// connection attempts.
func Answers(ctx context.Context, conns []grpc.ClientConnInterface) bool {
	ctx, cancel := context.WithTimeout(ctx, guardTimeout)
	defer cancel()
	answers := make(chan bool, len(conns))
	for _, conn := range conns {
		go func() {
			if c, ok := conn.(*grpc.ClientConn); ok {
				c.ResetConnectBackoff()
			}
			_, err := memberStatus(ctx, conn)
			code := status.Code(err)
			answers <- code != codes.Unavailable && code != codes.DeadlineExceeded && code != codes.Canceled
		}()
	}
	for range conns {
		if <-answers {
			return true
		}
	}
	return false
}

func wantsUser(err error) bool { return errors.Is(rpctypes.Error(err), rpctypes.ErrUserEmpty) }

// memberStatus fails at once if the member cannot be reached.
func memberStatus(ctx context.Context, conn grpc.ClientConnInterface) (*pb.StatusResponse, error) {
	s, err := pb.NewMaintenanceClient(conn).Status(ctx, &pb.StatusRequest{}, grpc.WaitForReady(false))
	if err != nil {
		return nil, err
	}
	return s, reply.Check(pb.Maintenance_Status_FullMethodName, nil, s) // conn may not come from a pool
}

// explain translates gRPC's errors about an endpoint into instructions.
func explain(err error) error {
	s := status.Convert(err)
	text := s.Message()
	has := func(part string) bool { return strings.Contains(text, part) }
	switch {
	case wantsUser(err):
		return errors.New("authentication is on: give a user with --user")
	case has("connection refused"):
		return errors.New("connection refused: check that etcd is running at this address")
	case has("no such host"):
		return errors.New("no such host: check the name")
	case has("certificate") || has("tls:") || has("x509:"):
		return fmt.Errorf("TLS: %s: check --cacert, --cert and --key", tail(text))
	case has("first record does not look like a TLS handshake"):
		return errors.New("the endpoint uses plain text: remove the TLS flags")
	case has("broken pipe"), has("connection reset"):
		return fmt.Errorf("the server closed the connection (%s): if it requires a client certificate, give --cert and --key", tail(text))
	case has("error reading server preface"), has("malformed HTTP"), has("unexpected HTTP status"), s.Code() == codes.Unimplemented:
		return errors.New("the server does not respond like etcd: check the port, and whether it requires TLS")
	case s.Code() == codes.DeadlineExceeded:
		return errors.New("no response in time: raise --dial-timeout, or check the address and the firewall")
	}
	return errors.New(tail(text))
}

// tail returns the innermost of gRPC's nested messages.
func tail(text string) string {
	if i := strings.LastIndex(text, "desc = "); i >= 0 {
		text = text[i+len("desc = "):]
	}
	return strings.Trim(strings.ReplaceAll(text, "\n", " "), `"`)
}

// ErrNotReady is the error when a cluster, or a member that was restarted, is not ready within
// its time limit.
var ErrNotReady = errors.New("not ready in time")

// waitReady returns when every present member answers, all of them agree on one leader, and
// linearizable reads succeed. A nil present means that all members are present. died returns an
// error when a member's process has ended.
func waitReady(ctx context.Context, c Cluster, present func(member int) bool, died func() error) error {
	var conns []*grpc.ClientConn
	defer func() {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}()
	for _, m := range c.Members() {
		creds := insecure.NewCredentials()
		if c.TLS() != nil {
			creds = credentials.NewTLS(c.TLS())
		}
		conn, err := grpc.NewClient("passthrough:///"+m.Endpoint, grpc.WithTransportCredentials(creds))
		if err != nil {
			return fmt.Errorf("connect to %s: %w", m.Name, err)
		}
		conns = append(conns, conn)
	}
	for {
		err := ready(ctx, c.Members(), present, conns)
		if err == nil {
			return nil
		}
		if dead := died(); dead != nil {
			return dead
		}
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return fmt.Errorf("%w: %w", ErrNotReady, err)
			}
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func ready(ctx context.Context, members []Member, present func(member int) bool, conns []*grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	leader := uint64(0)
	for i, m := range members {
		if present != nil && !present(i) {
			continue
		}
		s, err := memberStatus(ctx, conns[i])
		switch {
		case status.Code(err) == codes.DeadlineExceeded:
			return fmt.Errorf("member %s: no response; it may have no leader", m.Name)
		case err != nil:
			return fmt.Errorf("member %s: %w", m.Name, explain(err))
		case s.Leader == 0 || leader != 0 && s.Leader != leader:
			return fmt.Errorf("member %s: the members do not agree on a leader", m.Name)
		}
		leader = s.Leader
	}
	for i, m := range members {
		if present != nil && !present(i) {
			continue
		}
		if _, err := pb.NewKVClient(conns[i]).Range(ctx, &pb.RangeRequest{Key: []byte("health")}); err != nil {
			return fmt.Errorf("member %s: linearizable read: %w", m.Name, explain(err))
		}
	}
	return nil
}

// lowestPort and highestPort bound the ports of members. They are below the range that systems use for
// outgoing connections, so that a restarted member finds its port free.
const lowestPort, highestPort = 10_000, 32_000

// freePort finds a loopback port on which no process listens and that was not returned before,
// and reserves it.
func freePort(taken map[int]bool) (int, error) {
	const tries = 200
	for range tries {
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		if !taken[port] && portFree(port) == nil {
			taken[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("find a free port: all %d ports that were tried are in use", tries)
}

func portFree(port int) error {
	l, err := net.Listen("tcp", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	return l.Close()
}

const loopback = "127.0.0.1"
