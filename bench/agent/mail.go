// Package agent distributes the load of a run over several processes. A [Coordinator]
// plans the run, and agents ([Serve]) on this or other machines carry out their shares of
// it. They exchange messages over an etcd of their own, never over the cluster under test.
//
// An agent holds a lease while it runs. An agent whose lease expires, that is late, or
// that fails makes the run a failed one. The coordinator holds a lease, too: when it expires,
// or when an agent cannot reach the etcd any more, the agents end their load.
package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// root is the beginning of the keys of the coordination. Below it and the name of the session are:
//
//	info                 the information that agents need to join, with the coordinator's lease
//	down/all/SEQUENCE    messages of the coordinator to all agents
//	down/INDEX/SEQUENCE  messages of the coordinator to one agent
//	up/member/INDEX      an agent that has joined, with its lease
//	up/from/INDEX/LEASE/SEQUENCE  messages of an agent
const root = "/etcdbench-agents/"

// leaseTime is the time to live of the leases, in seconds, for up to manyAgents agents. The end
// of a process is detected within that time plus the half second of etcd's own check.
const leaseTime = 3

// manyAgents is the number of agents beyond which each agent renews its lease less often, and
// may need fewer exchanges for its clock.
const manyAgents = 100

// leaseSeconds returns the time to live of the leases of a session: one second more for each
// further 100 agents. An agent renews its lease three times in that time. Many agents keep the
// coordinator busy when all of them answer one message, so renewals must be rarer and may be
// later.
func leaseSeconds(agents int) int { return leaseTime + max(0, agents-manyAgents)/100 }

// chunk is the largest payload of one message, in bytes. With base64, it stays below etcd's
// default request limit.
const chunk = 512 << 10

// info is the information that agents need to join.
type info struct {
	Version string `json:"version"`
	Count   int    `json:"count"`
}

// hello is an agent's description of itself when it joins.
type hello struct {
	Host  string `json:"host"`
	Lease int64  `json:"lease"`
}

// kind is the type of a message.
type kind string

// The messages of the coordinator, and those of agents.
const (
	assignShare kind = "assign"
	startLoad   kind = "start"
	stopLoad    kind = "stop"
	steer       kind = "steer"
	allDrained  kind = "all-drained"
	release     kind = "release"
	endSession  kind = "end"
	clockReply  kind = "clock-reply"

	clockRequest kind = "clock"
	shareReady   kind = "ready"
	intervals    kind = "intervals"
	steered      kind = "steered"
	drained      kind = "drained"
	evidence     kind = "evidence"
	report       kind = "report"
	failed       kind = "failed"
	released     kind = "released"
)

// message is a message between two processes. Run numbers the runs of a session.
type message struct {
	Run  int             `json:"run"`
	Kind kind            `json:"kind"`
	Body json.RawMessage `json:"body,omitempty"`
}

// mailbox posts messages below a prefix, in order. They expire with the lease of the process.
type mailbox struct {
	client *clientv3.Client
	prefix string
	lease  clientv3.LeaseID

	mu   sync.Mutex
	next int
}

// postTime bounds the posting of one message.
const postTime = 10 * time.Second

func (m *mailbox) post(ctx context.Context, run int, k kind, body any) error {
	data, err := json.Marshal(body)
	if err == nil {
		data, err = json.Marshal(message{Run: run, Kind: k, Body: data})
	}
	if err != nil {
		return fmt.Errorf("encode message %s: %w", k, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	if _, err := m.client.Put(ctx, fmt.Sprintf("%s%08d", m.prefix, m.next), string(data), clientv3.WithLease(m.lease)); err != nil {
		return fmt.Errorf("send message %s: %w", k, err)
	}
	m.next++
	return nil
}

// Endpoint is the etcd for coordination.
type Endpoint struct {
	URLs []string
	// Credentials are the PEM of a client certificate, its key and the authority. They are
	// empty for an etcd without TLS.
	Credentials []byte
}

// Token returns the credentials without line breaks, for an environment variable.
func Token(credentials []byte) string { return base64.StdEncoding.EncodeToString(credentials) }

// ParseToken returns the credentials of a token, or of the PEM file with that path.
func ParseToken(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "-----BEGIN") {
		return []byte(text), nil
	}
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !strings.HasPrefix(string(data), "-----BEGIN") {
		return nil, errors.New("the join token is neither PEM nor a token that a coordinator printed: check --join-file or ETCDBENCH_JOIN")
	}
	return data, nil
}

// Check returns an error if the endpoint is invalid.
func (e Endpoint) Check() error {
	for _, text := range e.URLs {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Hostname() == "" || u.Port() == "" || u.Scheme != "http" && u.Scheme != "https":
			return fmt.Errorf("%q is not a URL such as https://host:2389", text)
		case u.Scheme == "https" && len(e.Credentials) == 0:
			return errors.New("the join token is missing: give --join-file or ETCDBENCH_JOIN")
		}
	}
	_, err := e.tlsConfig()
	return err
}

// tlsConfig returns the TLS configuration, or nil without credentials.
func (e Endpoint) tlsConfig() (*tls.Config, error) {
	if len(e.Credentials) == 0 {
		return nil, nil
	}
	pair, err := tls.X509KeyPair(e.Credentials, e.Credentials)
	if err != nil {
		return nil, fmt.Errorf("join token: %w", err)
	}
	var authority []byte // the last certificate
	for rest := e.Credentials; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		if b.Type == "CERTIFICATE" {
			authority = pem.EncodeToMemory(b)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authority)
	pair.Certificate = pair.Certificate[:1]
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: pool}, nil
}

// connectTime bounds the wait for an answer of the etcd for coordination.
const connectTime = 10 * time.Second

// try connects once to the first address. clientv3 would instead retry silently until its time
// limit.
func (e Endpoint) try(ctx context.Context, config *tls.Config) error {
	u, err := url.Parse(e.URLs[0])
	if err != nil {
		return fmt.Errorf("connect to coordinator: %w", err)
	}
	dialer := net.Dialer{Timeout: connectTime}
	conn, err := dialer.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return unreachable{fmt.Errorf("connect to coordinator: %w", err)}
	}
	defer conn.Close()
	if config == nil {
		return nil
	}
	config = config.Clone()
	config.ServerName = u.Hostname()
	if err := tls.Client(conn, config).HandshakeContext(ctx); err != nil {
		return fmt.Errorf("connect to coordinator at %s: the join token is from another coordinator, "+
			"or is not valid for this address: %w", e.URLs[0], err)
	}
	return nil
}

// connect returns a client of an etcd that answers.
func (e Endpoint) connect(ctx context.Context) (*clientv3.Client, error) {
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("connect to coordinator: %w", err)
	}
	config, err := e.tlsConfig()
	if err != nil {
		return nil, err
	}
	if err := e.try(ctx, config); err != nil {
		return nil, err
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints: e.URLs, TLS: config, Logger: zap.NewNop(), DialTimeout: connectTime,
		DialKeepAliveTime: leaseTime * time.Second, DialKeepAliveTimeout: leaseTime * time.Second,
		MaxCallSendMsgSize: 8 << 20, MaxCallRecvMsgSize: 64 << 20,
	})
	if err != nil {
		return nil, fmt.Errorf("connect to coordinator: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	if _, err = c.Get(ctx, root); err == nil {
		return c, nil
	}
	_ = c.Close()
	reason, later := explain(err)
	err = fmt.Errorf("connect to coordinator at %s: %s", strings.Join(e.URLs, ","), reason)
	if later {
		err = unreachable{err}
	}
	return nil, err
}

// errUnreachable is the error when nothing answers at an address.
var errUnreachable = errors.New("unreachable")

type unreachable struct{ error }

// Is reports whether target is [errUnreachable].
func (unreachable) Is(target error) bool { return target == errUnreachable }

// explain returns what to check when the coordinator does not answer. later reports whether it
// may answer later.
func explain(err error) (reason string, later bool) {
	text := err.Error()
	switch {
	case strings.Contains(text, "certificate") || strings.Contains(text, "tls:") || strings.Contains(text, "x509:"):
		return "the join token is from another coordinator: " + text, false
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("no response within %v: check the address, the firewall and the join token", connectTime), true
	}
	return text, true
}
