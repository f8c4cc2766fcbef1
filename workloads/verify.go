package workloads

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads/claim"
	"github.com/etcdbench/etcdbench/workloads/ledger"
)

// verifier is implemented by workloads with their own check of the result.
type verifier interface {
	verify(ctx context.Context, proof *results.Proof)
}

// verify checks the result of a mix's writes: the ledger, the keys of ended leases, the
// agreement of the members, and the checks of the parts.
func verify(ctx context.Context, m *mix) (*results.Proof, error) {
	proof := &results.Proof{}
	l := m.target.shared.ledger
	if l == nil {
		return proof, errors.New("the writes were not recorded")
	}
	if err := verifyKeys(ctx, m.target, l, proof); err != nil {
		return proof, err
	}
	members, cancel := context.WithTimeout(ctx, membersTime)
	defer cancel()
	verifyMembers(members, m.target.reachable(ctx), proof)
	if m.shares == 0 {
		m.verifyParts(ctx, proof)
	}
	proof.Merge(m.accepted)
	proof.Checks = addChecks(proof.Checks, m.accepted.Checks)
	return proof, nil
}

// membersTime bounds the comparison of the members, which compute hashes over all their data.
const membersTime = time.Minute

// verifyKeys reads the written keys back. It returns an error if there is no answer within the
// target's patience.
func verifyKeys(ctx context.Context, t Target, l *ledger.Ledger, proof *results.Proof) error {
	st := t.begin(ctx, func() string { return "reading back the acknowledged writes" })
	t = t.reachable(st.ctx)
	t.answered = st.progress
	present, err := presentRevision(st.ctx, t)
	if err != nil {
		present = 0
	}
	l.Verify(st.ctx, present, t.readKeys, proof)
	resolveOutcomes(st.ctx, t)
	t.shared.checker.Verify(proof)
	for i := range proof.Violations {
		t.shared.checker.Explain(&proof.Violations[i])
	}
	verifyLeases(st.ctx, t, proof)
	return st.stalled()
}

// readKeys is a [ledger.Reader].
func (t Target) readKeys(ctx context.Context, prefix string, revision int64, visit func(ledger.Found)) (ledger.At, error) {
	t.Prefix = prefix
	return eachKeyAt(ctx, t, revision, revision > 0, func(kv *keyValue, _ int64) {
		visit(ledger.Found{Key: kv.Key, Value: kv.Value, Modified: kv.ModRevision, Created: kv.CreateRevision, Version: kv.Version})
	})
}

// leaseGrace is how long a key may outlive its lease. The leader looks for leases that have ended twice
// a second.
const leaseGrace = 5 * time.Second

// verifyLeases checks that the lease of every key with a lease exists.
func verifyLeases(ctx context.Context, t Target, proof *results.Proof) {
	check := results.Check{Name: "leases", Note: fmt.Sprintf("no key outlived its lease by more than %v", leaseGrace)}
	orphans, total, read, err := leaseless(ctx, t)
	for deadline := time.Now().Add(leaseGrace); err == nil && len(orphans) > 0 && time.Now().Before(deadline); {
		if !sleep(ctx, 200*time.Millisecond) {
			break
		}
		orphans, _, read, err = leaseless(ctx, t)
	}
	check.Checked, check.Of = total, total
	switch {
	case err != nil:
		check.Skipped = err.Error()
	case total == 0:
		return
	}
	proof.Checks = append(proof.Checks, check)
	for _, kv := range orphans {
		operation := read
		operation.Key, operation.Modified, operation.Version = string(kv.Key), kv.ModRevision, kv.Version
		proof.Violate(results.Violation{
			Operation: &operation, History: []results.ProofOperation{operation},
			Check: "leases", Key: string(kv.Key), Expected: "no key, as its lease " + strconv.FormatInt(kv.Lease, 16) + " has ended",
			Found: "a value written at revision " + humanize.Comma(kv.ModRevision),
		})
	}
}

// leaseless returns the keys whose lease does not exist, the number of keys with a lease, and
// the read of the keys.
func leaseless(ctx context.Context, t Target) (orphans []*keyValue, total uint64, read results.ProofOperation, err error) {
	sent := time.Now()
	var leased []*keyValue
	// With values, because etcd v3.7 answers keys-only reads from its index, which has no leases.
	at, err := eachKeyAt(ctx, t, 0, false, func(kv *keyValue, _ int64) {
		if kv.Lease != 0 && !claim.IsMarker(kv.Key) {
			kv.Value = nil
			leased = append(leased, kv)
		}
	})
	if err != nil || len(leased) == 0 {
		return nil, 0, read, err
	}
	read = readBack("read", sent, at.Revision, at.Member)
	r, err := pb.NewLeaseClient(t.conn(0)).LeaseLeases(ctx, &pb.LeaseLeasesRequest{})
	if err != nil {
		return nil, 0, read, fmt.Errorf("list leases: %w", err)
	}
	alive := map[int64]bool{}
	for _, l := range r.Leases {
		alive[l.ID] = true
	}
	orphans = slices.DeleteFunc(leased, func(kv *keyValue) bool { return alive[kv.Lease] })
	return orphans, uint64(len(leased)), read, nil
}

// readBack is an operation after the load that ends now; a member of 0 is not known.
func readBack(name string, sent time.Time, revision int64, member uint64) results.ProofOperation {
	op := results.ProofOperation{Name: name, Sent: sent.Round(0), Answered: time.Now().Round(0), Revision: revision, Conn: results.NoConn}
	if member != 0 {
		op.Member = strconv.FormatUint(member, 16)
	}
	return op
}

// verifyMembers checks that all members have the same data at one revision.
func verifyMembers(ctx context.Context, t Target, proof *results.Proof) {
	all := t.Members
	if len(all) == 0 {
		all = t.Conns[:1]
	}
	members := answering(ctx, all, t.Prefix)
	check := results.Check{Name: "members", Of: uint64(len(all))}
	defer func() { proof.Checks = append(proof.Checks, check) }()
	revision, err := presentRevision(ctx, t)
	if err != nil {
		check.Skipped = err.Error()
		return
	}
	check.Note = "the same hash at revision " + humanize.Comma(revision)
	sent := time.Now()
	hashes, err := agreeingHashes(ctx, members, revision)
	if err != nil {
		check.Skipped = err.Error()
		return
	}
	check.Checked = uint64(len(hashes))
	if check.Checked < check.Of {
		check.Skipped = fmt.Sprintf("%d of %d members did not answer", check.Of-check.Checked, check.Of)
	}
	first := readBack("hash", sent, revision, 0)
	for i, h := range hashes {
		if h.Hash != hashes[0].Hash {
			first.Member = strconv.FormatUint(hashes[0].GetHeader().GetMemberId(), 16)
			other := first
			other.Member = strconv.FormatUint(h.GetHeader().GetMemberId(), 16)
			proof.Violate(results.Violation{
				Check: "members", Operation: &other, Against: &first, History: []results.ProofOperation{first, other},
				Expected: fmt.Sprintf("hash %08x at revision %s, the hash of member %x",
					hashes[0].Hash, humanize.Comma(revision), hashes[0].Header.MemberId),
				Found: fmt.Sprintf("hash %08x at member %x", h.Hash, hashes[i].Header.MemberId),
			})
		}
	}
}

// hashWait bounds the wait for members that lag or are still compacting.
const hashWait = 10 * time.Second

// agreeingHashes requests the hash at a revision from every member, until all have reached the
// revision and have the same last compaction, because a hash covers the data since the last
// compaction.
func agreeingHashes(ctx context.Context, members []grpc.ClientConnInterface, revision int64) ([]*pb.HashKVResponse, error) {
	for deadline := time.Now().Add(hashWait); ; {
		hashes, err := askHashes(ctx, members, revision)
		if err == nil {
			return hashes, nil
		}
		if !lagging(err) || time.Now().After(deadline) {
			return nil, err
		}
		if !sleep(ctx, 200*time.Millisecond) {
			return nil, ctx.Err()
		}
	}
}

func askHashes(ctx context.Context, members []grpc.ClientConnInterface, revision int64) ([]*pb.HashKVResponse, error) {
	var hashes []*pb.HashKVResponse
	for i, m := range members {
		r, err := pb.NewMaintenanceClient(m).HashKV(ctx, &pb.HashKVRequest{Revision: revision})
		if err != nil {
			return nil, fmt.Errorf("ask member %d for its hash: %w", i+1, rpctypes.Error(err))
		}
		if len(hashes) > 0 && r.CompactRevision != hashes[0].CompactRevision {
			return nil, errCompacting
		}
		hashes = append(hashes, r)
	}
	return hashes, nil
}

var errCompacting = errors.New("the members have not compacted to the same revision")

// lagging reports whether an error means that a member has not yet reached the revision.
func lagging(err error) bool {
	return errors.Is(err, errCompacting) || errors.Is(err, rpctypes.ErrFutureRev)
}
