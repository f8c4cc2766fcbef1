package workloads

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/workloads/claim"
)

// Namespace is the prefix below which runs have their prefixes unless they are given one.
const Namespace = "/etcdbench/"

// A Leftover is what a run has left below a prefix.
type Leftover struct {
	Prefix string
	// Status is what the markers say: which run it was, and whether it still goes on.
	Status claim.Status
	// Keys are those that are taken for the run's, Others those that are not.
	Keys, Others int
	// Examples are the names of the first keys.
	Examples []string
	// Leases are the IDs of those all of whose keys are taken for the run's.
	Leases []int64
}

// maxExamples is how many keys a [Leftover] names.
const maxExamples = 3

// FindLeftovers lists what runs have left below a prefix, which is one run's; or, for the
// [Namespace], below each prefix in it. All keys in the namespace are taken for those of
// runs. Elsewhere, only those are that are younger than the record that a run has left, and
// have names such as workloads give.
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
	list = slices.DeleteFunc(list, func(l *Leftover) bool { return l.Keys == 0 && l.Status.Left == nil && l.Status.Active == nil })
	return list, findLeases(ctx, conns[0], list)
}

// runPrefix is the prefix of the run to which a key belongs.
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

// add counts a key.
func (l *Leftover) add(kv *keyValue) {
	switch {
	case claim.IsMarker(kv.Key):
	case !l.owns(kv):
		l.Others++
	default:
		l.Keys++
		if len(l.Examples) < maxExamples {
			l.Examples = append(l.Examples, string(kv.Key))
		}
	}
}

// owns reports whether a key is taken for the run's.
func (l *Leftover) owns(kv *keyValue) bool {
	if left := l.Status.Left; left != nil && kv.CreateRevision <= left.Revision {
		return false
	}
	return l.named(string(kv.Key))
}

// leastDigits is how many digits the names of keys of runs have at least, in a prefix of
// their own.
const leastDigits = 8

// named reports whether a key has a name such as those that workloads give: digits, or
// the hexadecimal ones of locks. Outside of the namespace, that says nothing without a
// record.
func (l *Leftover) named(key string) bool {
	if strings.HasPrefix(l.Prefix, Namespace) {
		return true
	}
	name := key[strings.LastIndexByte(key, '/')+1:]
	return l.Status.Left != nil && len(name) >= leastDigits && strings.Trim(name, "0123456789abcdef") == ""
}

// maxLookups bounds the leases that are looked at.
const maxLookups = 10_000

// findLeases finds the leases of leftovers by their keys. A lease without keys may be
// anybody's, and ends by itself.
func findLeases(ctx context.Context, conn grpc.ClientConnInterface, list []*Leftover) error {
	if len(list) == 0 {
		return nil
	}
	leases := pb.NewLeaseClient(conn)
	ask, cancel := Target{}.patient(ctx)
	defer cancel()
	all, err := leases.LeaseLeases(ask, &pb.LeaseLeasesRequest{})
	if err != nil {
		return fmt.Errorf("list leases: %w", err)
	}
	for _, lease := range all.Leases[:min(len(all.Leases), maxLookups)] {
		ask, cancel := Target{}.patient(ctx)
		r, err := leases.LeaseTimeToLive(ask, &pb.LeaseTimeToLiveRequest{ID: lease.GetID(), Keys: true})
		cancel()
		if err != nil || len(r.Keys) == 0 {
			continue // of others, or ended meanwhile
		}
		for _, l := range list {
			if !slices.ContainsFunc(r.Keys, func(key []byte) bool { return !l.leased(string(key)) }) {
				l.Leases = append(l.Leases, lease.GetID())
			}
		}
	}
	return nil
}

// leased reports whether the key of a lease is taken for the run's. The revision of the
// key is not known: where the prefix had keys of others, none is.
func (l *Leftover) leased(key string) bool {
	shared := l.Status.Left != nil && l.Status.Left.Shared
	return strings.HasPrefix(key, l.Prefix) && !shared && !claim.IsMarker([]byte(key)) && l.named(key)
}

// Remove deletes the keys of the leftover that no client writes meanwhile, revokes its leases
// and deletes the record. It returns how many keys it has deleted. It must not be called
// while the run goes on.
func (l *Leftover) Remove(ctx context.Context, conns []grpc.ClientConnInterface) (deleted int, err error) {
	own := func(_ context.Context, kv *keyValue) (bool, error) {
		return runPrefixIs(l.Prefix, string(kv.Key)) && l.owns(kv), nil
	}
	d := deletion{kv: pb.NewKVClient(conns[0]), own: own, young: func(*keyValue) bool { return false }}
	const batch = 100 // sizes are not known
	if deleted, _, err = d.run(ctx, l.Prefix, batch); err != nil {
		return deleted, err
	}
	for _, id := range l.Leases {
		ask, cancel := Target{}.patient(ctx)
		_, err := pb.NewLeaseClient(conns[0]).LeaseRevoke(ask, &pb.LeaseRevokeRequest{ID: id})
		cancel()
		if err != nil {
			return deleted, fmt.Errorf("revoke lease %x: %w", id, err)
		}
	}
	return deleted, l.Status.RemoveRecord(ctx, conns, l.Prefix)
}

// runPrefixIs reports whether a key below a prefix belongs to that: in the namespace
// itself, keys of runs below it do not.
func runPrefixIs(prefix, key string) bool {
	return prefix != Namespace || runPrefix(Namespace, key) == Namespace
}
