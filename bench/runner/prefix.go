package runner

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
	"github.com/etcdbench/etcdbench/workloads/claim"
)

// cleanUpTime bounds the deletion of the run's keys from a running cluster, and the reading
// of the names of existing keys. releaseTime bounds the release of the claim.
const (
	cleanUpTime = time.Minute
	releaseTime = 10 * time.Second
)

// claimPrefix claims the prefix of a run that writes. It returns an error if another run uses
// the prefix, if a running cluster has keys under it already, or if the run would delete
// existing keys. From here on, the run's writes are recorded.
func (r *Resolved) claimPrefix(ctx context.Context, s *session) error {
	if !r.Spec.Cluster.Running() {
		return nil
	}
	count, cancel := context.WithTimeout(ctx, r.Plan.Timeout)
	defer cancel()
	keys, revision, err := workloads.CountPrefix(count, s.conn(), r.Plan.Prefix)
	if err != nil {
		return err
	}
	if r.readsOnly() {
		return r.checkExisting(ctx, s, keys, nil)
	}
	status, err := claim.Look(ctx, s.admin.Conns(), r.Plan.Prefix)
	if err != nil {
		return err
	}
	if status.Active != nil {
		return fieldError("prefix", status.Active)
	}
	keys -= status.Markers
	if err := r.checkExisting(ctx, s, keys, status.Left); err != nil {
		return err
	}
	owner := claim.Self(r.ID, revision)
	owner.KeepData = r.Spec.KeepData
	tags := claim.NewLeaseTags(1 + r.Spec.Agents.Count)
	owner.Leases, s.leaseTag = []claim.LeaseTags{tags}, tags.First
	s.claim, err = claim.Take(ctx, s.admin.Conns(), r.Plan.Prefix, owner, status.Left)
	if inUse, ok := errors.AsType[*claim.InUseError](err); ok {
		return fieldError("prefix", inUse)
	}
	s.writes = workloads.NewWrites(revision)
	return err
}

// readsOnly reports whether the run writes nothing.
func (r *Resolved) readsOnly() bool {
	return len(r.Plan.Population) == 0 && workloads.ReadsOnly(r.Plan.Entries()) &&
		!workloads.DisturbancesWrite(r.Scenario.PlanDisturbances())
}

// checkExisting returns an error if keys exist under the prefix, unless they are allowed and
// the run would delete none of them. left is the owner that left them, if known.
func (r *Resolved) checkExisting(ctx context.Context, s *session, keys int64, left *claim.Owner) error {
	switch {
	case keys == 0:
		return nil
	case !r.Spec.AllowExisting && left != nil:
		return invalid("prefix", "the cluster has keys under %q (%s), some of them left by %v: run "+
			"etcdbench clean --endpoints %s --prefix %q, choose another --prefix, or allow them with --allow-existing",
			r.Plan.Prefix, humanize.Comma(keys), left, strings.Join(r.Spec.Cluster.Endpoints, ","), r.Plan.Prefix)
	case !r.Spec.AllowExisting:
		return invalid("prefix", "the cluster has keys under %q (%s): choose another --prefix, "+
			"or allow them with --allow-existing", r.Plan.Prefix, humanize.Comma(keys))
	}
	ctx, cancel := context.WithTimeout(ctx, cleanUpTime)
	defer cancel()
	if !r.readsOnly() {
		below, err := claim.Below(ctx, s.admin.Conns(), r.Plan.Prefix)
		if err != nil {
			return err
		}
		if below != nil {
			return fieldError("prefix", below)
		}
	}
	return fieldError("prefix", workloads.CheckExisting(ctx, s.conn(), r.Plan.Prefix, r.Plan.Entries()))
}

// releasePrefix deletes the keys that the run has created in a running cluster. It adds a
// warning if something may remain, with the command that removes it.
func (r *Resolved) releasePrefix(ctx context.Context, s *session, run *results.Run) {
	if s.writes == nil {
		return
	}
	if !r.Spec.KeepData {
		r.deleteKeys(ctx, s, run)
	}
	lost := slices.ContainsFunc(run.Agents, func(a results.Agent) bool { return a.Failure != "" })
	if s.left = s.left || lost || run.Warned(bench.TeardownFailed); s.left {
		run.Warn("remains", fmt.Sprintf("to remove the rest, when all members respond: etcdbench clean --endpoints %s --prefix %q",
			r.Spec.Cluster.Endpoints[0], r.Plan.Prefix))
	}
}

// deleteKeys deletes the keys that the run has created.
func (r *Resolved) deleteKeys(ctx context.Context, s *session, run *results.Run) {
	ctx, cancel := bench.CleanUp(ctx, cleanUpTime)
	defer cancel()
	kept, err := s.writes.Delete(ctx, s.admin.Conns(), r.Plan.Prefix)
	if err != nil {
		s.left = true
		run.Warn("keys-left", fmt.Sprintf("keys of this run may be left: %v", err))
	} else if n := s.writes.Unresolved(); n > 0 {
		s.left = true
		run.Warn("keys-left", fmt.Sprintf("the outcome of %s of the run's writes is unknown, and a member may still apply them",
			humanize.Comma(int64(n))))
	}
	if kept > 0 {
		run.Warn("foreign-keys", fmt.Sprintf("kept %s keys under %q: written during the run, but not in its record of writes",
			humanize.Comma(int64(kept)), r.Plan.Prefix))
	}
}
