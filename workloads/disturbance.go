package workloads

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"
	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/fault"
	"github.com/etcdbench/etcdbench/results"
)

// A DisturbanceEntry is one kind of disturbance.
type DisturbanceEntry struct {
	// Name is the name of the kind in scenarios and on the command line.
	Name string
	// Summary describes the disturbance in one line.
	Summary string
	// Wide means that it affects more of the cluster than the run's own keys.
	Wide bool
	// Define returns a disturbance of the kind with default parameters.
	Define func() disturbanceDefinition
}

// disturbanceDefinition is a disturbance before it is bound to a cluster.
type disturbanceDefinition interface {
	AddFlags(fs *pflag.FlagSet)
	Validate() error
	// New returns the function that makes the disturbance once.
	New(t Target) func(ctx context.Context) (string, error)
}

// Disturbances returns the kinds of disturbances: those by requests, and the faults of
// members (package fault).
func Disturbances() []DisturbanceEntry {
	list := []DisturbanceEntry{
		{Name: "compaction", Summary: "compact the history of the whole key space", Wide: true,
			Define: func() disturbanceDefinition { return new(compaction) }},
		{Name: "defragmentation", Summary: "defragment the database of a member, which blocks the member", Wide: true,
			Define: func() disturbanceDefinition { return new(defragmentation) }},
		{Name: "snapshot", Summary: "download a snapshot from a member and discard it", Wide: true,
			Define: func() disturbanceDefinition { return new(snapshot) }},
		{Name: "range", Summary: "read every key of the run in one request",
			Define: func() disturbanceDefinition { return new(largeRange) }},
		{Name: "move-leader", Summary: "move the leadership to another member", Wide: true,
			Define: func() disturbanceDefinition { return new(moveLeader) }},
		{Name: "watcher-storm", Summary: "create many watchers at once for a limited time",
			Define: func() disturbanceDefinition { return new(watcherStorm) }},
	}
	for _, k := range fault.Kinds() {
		list = append(list, DisturbanceEntry{Name: k.Name, Summary: k.Summary, Wide: true,
			Define: func() disturbanceDefinition { return faultDefinition{k.Define()} }})
	}
	return list
}

// faultDefinition is a fault of members as a disturbance.
type faultDefinition struct{ fault.Definition }

// New implements disturbanceDefinition.
func (d faultDefinition) New(t Target) func(ctx context.Context) (string, error) {
	if t.Faults == nil {
		return func(context.Context) (string, error) {
			return "", errors.New("the cluster was not started with support for it")
		}
	}
	return d.Definition.New(t.Faults)
}

// DisturbanceNeeds returns what the disturbances require of a cluster. started is the kind of a
// disturbance that requires a cluster which the program starts, or "" if there is none.
func DisturbanceNeeds(list []results.PlanDisturbance) (needs fault.Needs, started string, err error) {
	for _, d := range list {
		def, err := newDisturbance(d)
		if err != nil {
			return needs, "", err
		}
		if f, ok := def.(faultDefinition); ok {
			needs, started = needs.And(f.Needs()), d.Kind
		}
	}
	return needs, started, nil
}

// FindDisturbance returns the kind with that name. The error suggests the most similar name.
func FindDisturbance(name string) (DisturbanceEntry, error) {
	var names []string
	for _, e := range Disturbances() {
		if e.Name == name {
			return e, nil
		}
		names = append(names, e.Name)
	}
	return DisturbanceEntry{}, fmt.Errorf("unknown disturbance %q%s: use one of %s", clip(name), results.Nearest(name, names),
		strings.Join(names, ", "))
}

// ParseDisturbance reads a disturbance in the command line's form,
// KIND@AT[/EVERY][,name=value…], such as defragmentation@30s,member=leader.
func ParseDisturbance(text string) (results.PlanDisturbance, error) {
	d := results.PlanDisturbance{Params: map[string]string{}}
	head, params, _ := strings.Cut(text, ",")
	kind, when, scheduled := strings.Cut(head, "@")
	d.Kind = kind
	if scheduled {
		at, every, repeated := strings.Cut(when, "/")
		if err := parseTime(at, &d.At); err != nil {
			return d, fmt.Errorf("disturbance %q: %w", text, err)
		}
		if repeated {
			if err := parseTime(every, &d.Every); err != nil {
				return d, fmt.Errorf("disturbance %q: %w", text, err)
			}
			if d.Every == 0 {
				return d, fmt.Errorf("disturbance %q: its interval must not be 0", text)
			}
		}
	}
	for p := range strings.SplitSeq(params, ",") {
		name, v, ok := strings.Cut(p, "=")
		switch {
		case ok:
			d.Params[name] = v
		case p != "":
			return d, fmt.Errorf("disturbance %q: %q is not name=value", text, p)
		}
	}
	return d, CheckDisturbance(d)
}

func parseTime(text string, d *time.Duration) error {
	v, err := time.ParseDuration(text)
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time with its unit, such as 30s", text)
	}
	*d = v
	return nil
}

// CheckDisturbance returns an error if the kind is unknown, or if its parameters or its
// interval are invalid.
func CheckDisturbance(d results.PlanDisturbance) error {
	_, err := newDisturbance(d)
	return err
}

// clip shortens text that an error quotes.
func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// newDisturbance checks a disturbance's parameters.
func newDisturbance(d results.PlanDisturbance) (disturbanceDefinition, error) {
	e, err := FindDisturbance(d.Kind)
	if err != nil {
		return nil, err
	}
	def := e.Define()
	fs := pflag.NewFlagSet(d.Kind, pflag.ContinueOnError)
	def.AddFlags(fs)
	if err := setFlags(fs, d.Params); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Kind, err)
	}
	if d.Every > 0 && d.Every < 10*time.Millisecond {
		return nil, fmt.Errorf("%s: every %v is less than 10ms", d.Kind, d.Every)
	}
	if err := def.Validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", d.Kind, err)
	}
	return def, nil
}

// Bind binds disturbances to the cluster that they affect.
func Bind(list []results.PlanDisturbance, t Target) ([]bench.Disturbance, error) {
	var bound []bench.Disturbance
	for _, d := range list {
		def, err := newDisturbance(d)
		if err != nil {
			return nil, err
		}
		bound = append(bound, bench.Disturbance{PlanDisturbance: d, Do: def.New(t)})
	}
	return bound, nil
}

// DisturbancesWrite reports whether any of the disturbances writes keys.
func DisturbancesWrite(list []results.PlanDisturbance) bool {
	return slices.ContainsFunc(list, func(d results.PlanDisturbance) bool { return d.Params["cas-key"] != "" })
}

// compaction compacts the history up to the present revision, or up to an earlier one, or as
// Kubernetes does: up to the revision of the previous time, and only for the client that wins
// the race for a key.
type compaction struct {
	previous bool
	keep     int64
	casKey   string
}

func (d *compaction) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&d.previous, "previous", false, "compact to the revision of the previous time, so that one interval of history stays")
	fs.Int64Var(&d.keep, "keep", 0, "number of revisions to keep before the present one")
	fs.StringVar(&d.casKey, "cas-key", "",
		"key under the run's prefix that is written with the revision first, if no other client has (Kubernetes: compact_rev_key)")
}

func (d *compaction) Validate() error {
	switch {
	case d.keep < 0:
		return fmt.Errorf("keep must not be negative, but is %d", d.keep)
	case d.keep > 0 && d.previous:
		return errors.New("keep and previous cannot be combined")
	}
	return nil
}

func (d *compaction) New(t Target) func(ctx context.Context) (string, error) {
	last, version := int64(0), int64(0)
	return func(ctx context.Context) (string, error) {
		kv := pb.NewKVClient(t.conn(0))
		revision, err := presentRevision(ctx, t)
		if d.casKey != "" && err == nil {
			var won bool
			if won, version, revision, err = claimCompaction(ctx, kv, t.Prefix+d.casKey, version); err == nil && !won {
				return "another client compacts", nil
			}
		}
		if err != nil {
			return "", err
		}
		to := revision - d.keep
		if d.previous {
			to = last
		}
		last = revision
		switch {
		case d.previous && to == 0:
			return "no compaction: the first time only records the revision", nil
		case to <= 0:
			return fmt.Sprintf("no compaction: the store has %s revisions", humanize.Comma(revision)), nil
		}
		_, err = kv.Compact(ctx, &pb.CompactionRequest{Revision: to})
		if errors.Is(rpctypes.Error(err), rpctypes.ErrCompacted) {
			return "another client has compacted further", nil
		}
		return "to revision " + humanize.Comma(to), err
	}
}

// claimCompaction writes the key if its version is still the known one. It returns the version
// to use the next time.
func claimCompaction(ctx context.Context, kv pb.KVClient, key string, version int64) (won bool, next, revision int64, err error) {
	r, err := kv.Txn(ctx, &pb.TxnRequest{
		Compare: []*pb.Compare{{Key: []byte(key), Target: pb.Compare_VERSION, TargetUnion: &pb.Compare_Version{Version: version}}},
		Success: []*pb.RequestOp{{Request: &pb.RequestOp_RequestPut{
			RequestPut: &pb.PutRequest{Key: []byte(key), Value: strconv.AppendInt(nil, version, 10)},
		}}},
		Failure: []*pb.RequestOp{{Request: &pb.RequestOp_RequestRange{RequestRange: &pb.RangeRequest{Key: []byte(key)}}}},
	})
	if err != nil {
		return false, version, 0, err
	}
	if r.Succeeded {
		return true, version + 1, r.GetHeader().GetRevision(), nil
	}
	if kvs := r.Responses[0].GetResponseRange().GetKvs(); len(kvs) > 0 {
		version = kvs[0].Version
	}
	return false, version, r.GetHeader().GetRevision(), nil
}

// memberChoice selects the members of a disturbance.
type memberChoice struct{ which string }

func (c *memberChoice) addFlags(fs *pflag.FlagSet, which string) {
	fs.StringVar(&c.which, "member", which, "member: leader, follower, all (one after the other), or its number from 1, such as m2 or 2")
}

func (c *memberChoice) validate() error {
	switch c.which {
	case "leader", "follower", "all":
		return nil
	}
	if n, err := c.number(); err != nil || n < 1 {
		return fmt.Errorf("member %q is none of leader, follower, all or a number from 1", c.which)
	}
	return nil
}

// number returns the number of the member, from 1.
func (c *memberChoice) number() (int, error) { return strconv.Atoi(strings.TrimPrefix(c.which, "m")) }

// members returns the connections to the selected members, and their names.
func (c *memberChoice) members(ctx context.Context, t Target) (conns []grpc.ClientConnInterface, names []string, err error) {
	all := t.Members
	if len(all) == 0 {
		return nil, nil, errors.New("no connections to single members")
	}
	if n, err := c.number(); err == nil {
		if n > len(all) {
			return nil, nil, fmt.Errorf("there is no member %d: the cluster has %d members", n, len(all))
		}
		return all[n-1 : n], []string{fmt.Sprintf("member %d", n)}, nil
	}
	for i, m := range all {
		s, err := pb.NewMaintenanceClient(m).Status(ctx, &pb.StatusRequest{})
		if err != nil {
			continue
		}
		leads := s.Leader == s.Header.MemberId
		if c.which == "all" || leads == (c.which == "leader") && (leads || len(conns) == 0) {
			conns, names = append(conns, m), append(names, fmt.Sprintf("member %d", i+1))
		}
	}
	if len(conns) == 0 {
		return nil, nil, fmt.Errorf("there is no %s", c.which)
	}
	return conns, names, nil
}

// each calls do for every selected member, one after the other.
func (c *memberChoice) each(ctx context.Context, t Target, do func(m grpc.ClientConnInterface) (string, error)) (string, error) {
	conns, names, err := c.members(ctx, t)
	var details []string
	for i := range conns {
		detail, doErr := do(conns[i])
		details = append(details, strings.TrimSuffix(names[i]+": "+detail, ": "))
		err = errors.Join(err, doErr)
	}
	return strings.Join(details, ", "), err
}

type defragmentation struct{ memberChoice }

func (d *defragmentation) AddFlags(fs *pflag.FlagSet) { d.addFlags(fs, "follower") }
func (d *defragmentation) Validate() error            { return d.validate() }
func (d *defragmentation) New(t Target) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return d.each(ctx, t, func(m grpc.ClientConnInterface) (string, error) {
			_, err := pb.NewMaintenanceClient(m).Defragment(ctx, &pb.DefragmentRequest{})
			return "", err
		})
	}
}

type snapshot struct{ memberChoice }

func (d *snapshot) AddFlags(fs *pflag.FlagSet) { d.addFlags(fs, "leader") }
func (d *snapshot) Validate() error            { return d.validate() }
func (d *snapshot) New(t Target) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return d.each(ctx, t, func(m grpc.ClientConnInterface) (string, error) {
			n, err := download(ctx, m)
			return humanize.IBytes(n), err
		})
	}
}

func download(ctx context.Context, m grpc.ClientConnInterface) (bytes uint64, err error) {
	stream, err := pb.NewMaintenanceClient(m).Snapshot(ctx, &pb.SnapshotRequest{})
	if err != nil {
		return 0, err
	}
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return bytes, nil
		}
		if err != nil {
			return bytes, err
		}
		bytes += uint64(len(r.Blob))
	}
}

type largeRange struct{ serializable bool }

func (d *largeRange) AddFlags(fs *pflag.FlagSet) {
	fs.BoolVar(&d.serializable, "serializable", false, "serializable reads, from the member's own state")
}
func (d *largeRange) Validate() error { return nil }
func (d *largeRange) New(t Target) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		r, err := pb.NewKVClient(t.conn(0)).Range(ctx,
			&pb.RangeRequest{Key: []byte(t.Prefix), RangeEnd: prefixEnd(t.Prefix), Serializable: d.serializable})
		return humanize.Comma(r.GetCount()) + " keys", err
	}
}

type moveLeader struct{}

func (*moveLeader) AddFlags(*pflag.FlagSet) {}
func (*moveLeader) Validate() error         { return nil }
func (*moveLeader) New(t Target) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		var leader grpc.ClientConnInterface
		other := uint64(0)
		for _, m := range t.Members {
			s, err := pb.NewMaintenanceClient(m).Status(ctx, &pb.StatusRequest{})
			switch {
			case err != nil:
			case s.Leader == s.Header.MemberId:
				leader = m
			case other == 0:
				other = s.Header.MemberId
			}
		}
		if leader == nil || other == 0 {
			return "", errors.New("there is no leader or no other member")
		}
		_, err := pb.NewMaintenanceClient(leader).MoveLeader(ctx, &pb.MoveLeaderRequest{TargetID: other})
		return fmt.Sprintf("to member %x", other), err
	}
}

type watcherStorm struct {
	watchers, streams int
	hold              time.Duration
}

func (d *watcherStorm) AddFlags(fs *pflag.FlagSet) {
	fs.IntVar(&d.watchers, "watchers", 1000, "watchers of the run's whole prefix")
	fs.IntVar(&d.streams, "streams", 100, "streams that the watchers share")
	fs.DurationVar(&d.hold, "hold", 5*time.Second, "time after which the watchers are canceled")
}

func (d *watcherStorm) Validate() error {
	if d.watchers < 1 || d.watchers > maxWatchers || d.streams < 1 || d.streams > d.watchers || d.hold < 0 {
		return fmt.Errorf("watchers must be between 1 and %d, streams between 1 and as many, and hold not negative", maxWatchers)
	}
	return nil
}

func (d *watcherStorm) New(t Target) func(ctx context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		storm, cancel := context.WithCancel(ctx)
		defer cancel()
		var g errgroup.Group
		for i := range d.streams {
			each := d.watchers / d.streams
			if i < d.watchers%d.streams {
				each++
			}
			g.Go(func() error { return watchFor(storm, t, t.conn(i), each) })
		}
		sleep(ctx, d.hold)
		cancel()
		return fmt.Sprintf("%d watchers on %d streams", d.watchers, d.streams), g.Wait()
	}
}

// watchFor watches the prefix a number of times until ctx ends.
func watchFor(ctx context.Context, t Target, conn grpc.ClientConnInterface, watchers int) error {
	stream, err := pb.NewWatchClient(conn).Watch(ctx)
	if err != nil {
		return contextDone(ctx, err)
	}
	for range watchers {
		req := &pb.WatchCreateRequest{Key: []byte(t.Prefix), RangeEnd: prefixEnd(t.Prefix)}
		if err := stream.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: req}}); err != nil {
			break // Recv returns the reason
		}
	}
	for {
		if _, err := stream.Recv(); err != nil {
			return contextDone(ctx, err)
		}
	}
}

// contextDone returns err, or nil if err only says that ctx has ended.
func contextDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
