package cluster

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/grpc"
)

// Guard watches the members of a cluster. It calls stop once: when a database has reached 80 %
// of its quota, when it could be full before the next check, including the requests in flight,
// or when a member raises an alarm. It returns when ctx ends or after stop was called. It
// ignores members that do not answer.
//
// conns holds one connection per member. The quota is the one that the member reports. Members
// before v3.6 do not report it: for them, it is the quota that the cluster was started with,
// or the one in their metrics, which are read at addresses (see [HTTPAddresses]), or etcd's
// default. inFlight is the number of bytes that requests in flight may write.
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
	// guardInterval is short because a fast disk writes well over 100 MB a second.
	guardInterval = 200 * time.Millisecond
	guardTimeout  = time.Second
	quotaShare    = 0.80
	// defaultQuota is etcd's quota when none is set.
	defaultQuota = 2 << 30
)

// guard is the state of the members, in their order.
type guard struct {
	cluster   Cluster
	addresses []string
	inFlight  int64
	// known are quotas in bytes that need not be read again: 0 is unknown, a negative value means
	// no quota.
	known []int64
	// sizes are the sizes of the databases at the last check.
	sizes []int64
}

// startQuota is the quota in bytes with which a cluster was started, 0 if none was set.
func startQuota(settings map[string]string) int64 {
	n, err := strconv.ParseInt(settings["quota-backend-bytes"], 10, 64)
	if err != nil {
		return 0
	}
	return cmp.Or(n, defaultQuota)
}

// check checks one member.
func (g *guard) check(ctx context.Context, i int, m Member, conn grpc.ClientConnInterface) error {
	ctx, cancel := context.WithTimeout(ctx, guardTimeout)
	defer cancel()
	s, err := memberStatus(ctx, conn)
	if err != nil {
		return nil
	}
	if raised := alarms(s.Errors); len(raised) > 0 {
		return fmt.Errorf("%s raised an alarm (%s): the run was stopped; remove the cause, then run etcdctl alarm disarm",
			m.Endpoint, raised[0])
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
	quota := cmp.Or(g.known[i], defaultQuota)
	// The size includes neither requests in flight nor the growth until the next check.
	next := s.DbSize + growth + min(g.inFlight, quota/2)
	if quota < 0 || float64(s.DbSize) < quotaShare*float64(quota) && next < quota {
		return nil
	}
	why := ""
	if float64(s.DbSize) < quotaShare*float64(quota) {
		why = " because the requests in flight could exceed it"
	}
	return fmt.Errorf("the database of %s has grown to %d MiB, %.0f %% of its quota: the run was stopped%s; "+
		"compact during the run (--compact-interval, --auto-compaction) or raise the quota",
		m.Endpoint, s.DbSize>>20, 100*float64(s.DbSize)/float64(quota), why)
}

// metricQuota reads the quota of a member from its metrics. It is 0 if they cannot be read now,
// and etcd's default if they do not have it.
func (g *guard) metricQuota(ctx context.Context, i int) int64 {
	s := NewSampler(g.cluster, g.addresses...)
	defer s.client.CloseIdleConnections()
	if i >= len(s.urls) {
		return defaultQuota
	}
	page, err := s.fetch(ctx, s.urls[i])
	if err != nil {
		return 0
	}
	family := page["etcd_server_quota_backend_bytes"]
	if family == nil {
		return defaultQuota
	}
	return cmp.Or(int64(sumOf(family, "")), defaultQuota)
}
