package cluster

import (
	"crypto/tls"

	"github.com/etcdbench/etcdbench/results"
)

// Remote is a cluster that this program did not start. Stop does nothing.
type Remote struct {
	endpoints []string
	tls       *tls.Config
}

var _ Cluster = (*Remote)(nil)

// NewRemote returns the cluster with the given endpoints.
func NewRemote(endpoints []string, tls *tls.Config) *Remote {
	return &Remote{endpoints: endpoints, tls: tls}
}

// Members implements [Cluster].
func (r *Remote) Members() []Member {
	var ms []Member
	for _, ep := range r.endpoints {
		ms = append(ms, Member{Endpoint: ep})
	}
	return ms
}

// TLS implements [Cluster].
func (r *Remote) TLS() *tls.Config { return r.tls }

// Describe implements [Cluster].
func (r *Remote) Describe() results.Cluster {
	return results.Cluster{
		Kind: results.ClusterRemote, TLS: r.tls != nil, Unverified: r.tls != nil && r.tls.InsecureSkipVerify,
	}
}

// Stop implements [Cluster].
func (r *Remote) Stop() error { return nil }
