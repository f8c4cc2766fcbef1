package results

import (
	"cmp"
	"fmt"
)

// The transports of the load's unary calls. Streams use grpc-go with both.
const (
	// TransportLean is etcdbench's own HTTP/2 implementation.
	TransportLean = "lean"
	// TransportGRPC is grpc-go, as etcd's Go client uses it.
	TransportGRPC = "grpc"
	// TransportDirect consists of calls of etcd's storage layer in the same process.
	TransportDirect = "direct"
)

// TransportUsed returns the plan's transport, also of plans that do not name it.
func (p Plan) TransportUsed() string { return cmp.Or(p.Transport, TransportGRPC) }

// SameTransport returns an error if two runs used different transports. Their figures cannot be
// compared: batched requests and indexed headers also reduce the cost for the members.
func SameTransport(a, b *Run) error {
	if one, other := a.Plan.TransportUsed(), b.Plan.TransportUsed(); one != other {
		if one == TransportDirect || other == TransportDirect {
			return fmt.Errorf("%s and %s cannot be compared: one is of the storage layer alone and the other of a cluster",
				cmp.Or(Clip(a.ID), "one run"), cmp.Or(Clip(b.ID), "another"))
		}
		return fmt.Errorf("%s was measured with --transport %s and %s was measured with --transport %s: measure both with the same transport",
			cmp.Or(Clip(a.ID), "one run"), Clip(one), cmp.Or(Clip(b.ID), "another"), Clip(other))
	}
	return nil
}
