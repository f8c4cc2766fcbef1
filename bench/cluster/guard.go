package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
)

// Guard watches the members of a cluster and calls stop, once, when a database
// has grown to 80 % of its quota, or so fast that it would be full at the next
// look, with what requests in flight may add, or when an alarm is raised. It returns when ctx ends or stop was called.
// A member that does not answer is no reason to stop.
//
// conns holds one connection per member. The quota is the one that the member reports.
// Members before v3.6 do not: theirs is the one that the cluster was started with, or
// in their metrics, which are read at addresses (see [HTTPAddresses]), or etcd's default.
// inFlight is how many bytes the requests that are under way at one time may write.
func Guard(ctx context.Context, c Cluster, conns []grpc.ClientConnInterface, addresses []string, inFlight int64, stop func(error)) {
	g := guard{cluster: c, addresses: addresses, inFlight: inFlight, known: make([]int64, len(conns)), sizes: make([]int64, len(conns))}
	set := startQuota(c.Describe().Settings)
	for i := range g.known {
		g.known[i] = set
	}
	t := time.NewTicker(guardInterval)
	defer t.Stop()
	for {
		for i, m := range c.Members() {
			if err := g.check(ctx, i, m, conns[i]); err != nil {
				stop(err)
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

const (
	// A fast disk takes well over 100 MB a second.
	guardInterval = 200 * time.Millisecond
	guardTimeout  = time.Second
	quotaShare    = 0.80
	// defaultQuota is what etcd uses when none is set.
	defaultQuota = 2 << 30
)

// guard is what is known of the members, in their order.
type guard struct {
	cluster   Cluster
	addresses []string
	inFlight  int64
	// known are quotas in bytes that were found out once: 0 is unknown, a negative one
	// is no quota.
	known []int64
	// sizes are those of the databases at the last look.
	sizes []int64
}

// startQuota is the quota with which a cluster was started, 0 where none was set.
func startQuota(settings map[string]string) int64 {
	n, err := strconv.ParseInt(settings["quota-backend-bytes"], 10, 64)
	if err != nil {
		return 0
	}
	return cmp.Or(n, defaultQuota)
}

// check looks at one member.
func (g *guard) check(ctx context.Context, i int, m Member, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, guardTimeout)
	defer cancel()
	s, err := memberStatus(ctx, conn)
	if err != nil {
		return nil
	}
	if raised := alarms(s.Errors); len(raised) > 0 {
		return fmt.Errorf("%s raised an alarm (%s): the run was stopped; disarm it with etcdctl when it is solved", m.Endpoint, raised[0])
	}
	growth := int64(0)
	if g.sizes[i] > 0 {
		growth = s.DbSize - g.sizes[i]
	}
	g.sizes[i] = s.DbSize
	if s.DbSizeQuota != 0 {
		g.known[i] = s.DbSizeQuota
	} else if g.known[i] == 0 {
		g.known[i] = g.metricQuota(ctx, i)
	}
	quota := g.known[i]
	// What is in flight is not in the size yet, nor is what the next look is too late for.
	next := s.DbSize + growth + min(g.inFlight, quota/2)
	if quota < 0 || float64(s.DbSize) < quotaShare*float64(quota) && next < quota {
		return nil
	}
	return fmt.Errorf("the database of %s has grown to %d MiB, %.0f %% of its quota: the run was stopped; "+
		"compact meanwhile (--compact-interval, --auto-compaction) or raise the quota",
		m.Endpoint, s.DbSize>>20, 100*float64(s.DbSize)/float64(quota))
}

// metricQuota reads a member's quota from its metrics; where that fails, it is etcd's
// default.
func (g *guard) metricQuota(ctx context.Context, i int) int64 {
	s := NewSampler(g.cluster, g.addresses...)
	defer s.client.CloseIdleConnections()
	if i >= len(s.urls) {
		return defaultQuota
	}
	s.ctx = ctx
	page, err := s.fetch(s.urls[i])
	family := page["etcd_server_quota_backend_bytes"]
	if err != nil || family == nil {
		return defaultQuota
	}
	return cmp.Or(int64(sumOf(family, "")), defaultQuota)
}
