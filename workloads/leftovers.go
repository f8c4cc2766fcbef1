package workloads

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/workloads/claim"
)

// Namespace is the prefix below which runs have their default prefixes.
const Namespace = "/etcdbench/"

// A Leftover describes what a run has left below a prefix.
type Leftover struct {
	Prefix string
	// Status describes the run of the markers, and whether it is still in progress.
	Status claim.Status
	// Keys is the number of keys of the run, Others that of other keys. Kept is the number of
	// keys that a run was requested to leave.
	Keys, Others, Kept int
	// Examples are the names of the first keys, the kept ones included.
	Examples []string
	// Leases are the IDs of the run's leases. Their tags are in the run's record.
	Leases []int64

	// keep says that the keys must stay.
	keep bool
}

// Removable reports whether [Leftover.Remove] has something to remove.
func (l *Leftover) Removable() bool {
	return l.Status.Active == nil && (l.Keys > 0 || l.Status.Left != nil)
}

// maxExamples is the largest number of keys that a [Leftover] names.
const maxExamples = 3

// FindLeftovers lists what runs have left below a prefix, which is one run's; or, for the
// [Namespace], below each prefix in it.
//
// Keys are a run's where the prefix is the namespace with the ID of a run, which is the
// default. Elsewhere, they are a run's if they are younger than the record that the run
// has left, and have names such as workloads give. Keys that a run has kept are removed
// only where their prefix is given and has the run's ID.
func FindLeftovers(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) ([]*Leftover, error) {
	byPrefix := map[string]*Leftover{}
	var err error
	of := func(key []byte) *Leftover {
		at := runPrefix(prefix, string(key))
		l := byPrefix[at]
		if l == nil {
			l = &Leftover{Prefix: at}
			byPrefix[at] = l
			var lookErr error
			l.Status, lookErr = claim.Look(ctx, conns, at)
			err = cmp.Or(err, lookErr)
			l.keep = l.keeps(prefix == Namespace)
		}
		return l
	}
	t := Target{Conns: conns, Prefix: prefix}
	st := t.begin(ctx, func() string { return "listing keys" })
	t.answered = st.progress
	listErr := st.end(eachKey(st.ctx, t, 0, true, func(kv *keyValue, _ int64) { of(kv.Key).add(kv) }))
	if err = cmp.Or(err, listErr); err != nil {
		return nil, err
	}
	list := slices.SortedFunc(maps.Values(byPrefix), func(a, b *Leftover) int { return cmp.Compare(a.Prefix, b.Prefix) })
	list = slices.DeleteFunc(list, func(l *Leftover) bool {
		return l.Keys+l.Kept == 0 && l.Status.Left == nil && l.Status.Active == nil
	})
	return list, findLeases(ctx, conns[0], list)
}

// runPrefix returns the prefix of the run to which a key belongs.
func runPrefix(prefix, key string) string {
	if prefix != Namespace {
		return prefix
	}
	name, _, ok := strings.Cut(key[len(prefix):], "/")
	if !ok {
		return prefix
	}
	return prefix + name + "/"
}

// keeps reports whether the keys must stay because the run had --keep-data. A run that leaves
// noSetup else leaves no record.
func (l *Leftover) keeps(listed bool) bool {
	if left := l.Status.Left; left != nil {
		return left.KeepData
	}
	return listed && l.Status.Active == nil
}

// add counts a key.
func (l *Leftover) add(kv *keyValue) {
	switch {
	case claim.IsMarker(kv.Key):
		return
	case !l.owns(kv):
		l.Others++
		return
	case l.keep:
		l.Kept++
	default:
		l.Keys++
	}
	if len(l.Examples) < maxExamples {
		l.Examples = append(l.Examples, string(kv.Key))
	}
}

// owns reports whether a key is treated as one of the run.
func (l *Leftover) owns(kv *keyValue) bool {
	left := l.Status.Left
	if left != nil && kv.CreateRevision <= left.Revision {
		return false
	}
	return namesRun(l.Prefix) || (left != nil || l.Status.Active != nil) && named(string(kv.Key))
}

// namesRun reports whether a prefix is the namespace with the ID of a run, as [bench.NewID]
// makes it: no other client uses such a prefix.
func namesRun(prefix string) bool {
	name, ok := strings.CutPrefix(prefix, Namespace)
	return ok && runID.MatchString(name)
}

var runID = regexp.MustCompile(`^\d{8}-\d{6}-[0-9a-f]{6}/$`)

// leastDigits is the smallest number of digits in the names of the keys of runs, in a prefix of
// their own.
const leastDigits = 8

// named reports whether a key has a name that workloads use: digits, or the hexadecimal names
// of locks.
func named(key string) bool {
	name := key[strings.LastIndexByte(key, '/')+1:]
	return len(name) >= leastDigits && strings.Trim(name, "0123456789abcdef") == ""
}

// findLeases finds the leases of leftovers by the tags in their records.
func findLeases(ctx context.Context, conn grpc.ClientConnInterface, list []*Leftover) error {
	if len(list) == 0 {
		return nil
	}
	ask, cancel := Target{}.patient(ctx)
	defer cancel()
	all, err := pb.NewLeaseClient(conn).LeaseLeases(ask, &pb.LeaseLeasesRequest{})
	if err != nil {
		return fmt.Errorf("list leases: %w", err)
	}
	for _, l := range list {
		for _, lease := range all.Leases {
			if l.Status.Left != nil && l.Status.Left.HasLease(lease.GetID()) {
				l.Leases = append(l.Leases, lease.GetID())
			}
		}
	}
	return nil
}

// Remove deletes the keys of the leftover, except for keys that another client writes
// meanwhile. It revokes the leases and deletes the record, and returns the number of deleted
// keys. It must not be called while the run is in progress.
func (l *Leftover) Remove(ctx context.Context, conns []grpc.ClientConnInterface) (deleted int, err error) {
	own := func(_ context.Context, kv *keyValue) (bool, error) {
		return !l.keep && runPrefixIs(l.Prefix, string(kv.Key)) && l.owns(kv), nil
	}
	d := deletion{kv: pb.NewKVClient(conns[0]), own: own, counted: func(*keyValue) bool { return false }}
	const batch = 100 // small, because the sizes of the keys are unknown
	if deleted, _, err = d.run(ctx, l.Prefix, batch); err != nil {
		return deleted, err
	}
	if err := l.revoke(ctx, conns); err != nil {
		return deleted, err
	}
	return deleted, l.Status.RemoveRecord(ctx, conns, l.Prefix)
}

// revoke revokes the leases, except for those that have ended meanwhile.
func (l *Leftover) revoke(ctx context.Context, conns []grpc.ClientConnInterface) error {
	t := Target{Conns: conns}
	done := atomic.Int64{}
	st := t.begin(ctx, func() string { return fmt.Sprintf("%d of %d leases revoked", done.Load(), len(l.Leases)) })
	g, gctx := errgroup.WithContext(st.ctx)
	g.SetLimit(leaseWorkers)
	for i, id := range l.Leases {
		g.Go(func() error {
			_, err := pb.NewLeaseClient(t.conn(i)).LeaseRevoke(gctx, &pb.LeaseRevokeRequest{ID: id})
			if err != nil && rpctypes.Error(err) != rpctypes.ErrLeaseNotFound {
				return fmt.Errorf("revoke lease %x: %w", id, err)
			}
			done.Add(1)
			st.progress()
			return nil
		})
	}
	return st.end(g.Wait())
}

// runPrefixIs reports whether a key belongs directly to a prefix. The keys of runs below the
// namespace do not belong to the namespace itself.
func runPrefixIs(prefix, key string) bool {
	return prefix != Namespace || runPrefix(Namespace, key) == Namespace
}
