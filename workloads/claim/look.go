package claim

import (
	"context"
	"fmt"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc"
)

// Status describes the use of a prefix according to its markers.
type Status struct {
	// Active is set if a run uses a prefix: this one, or one above it that ends with a slash.
	Active *InUseError
	// Left is the run that has left its record; nil if there is none.
	Left *Owner
	// Markers is the number of markers directly below the prefix.
	Markers int64

	// left is the revision of the record.
	left int64
}

// Look reads the markers of a prefix. If the user may not read a prefix above it, that prefix
// counts as unclaimed.
func Look(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) (Status, error) {
	s, err := readMarkers(ctx, conns, prefix)
	if err != nil {
		return s, fmt.Errorf("look for other runs under %q: %w", prefix, err)
	}
	for _, above := range enclosing(prefix) {
		if s.Active != nil {
			break
		}
		if over, err := readMarkers(ctx, conns, above); err == nil {
			s.Active = over.Active
		}
	}
	return s, nil
}

// readMarkers reads the markers of one prefix.
func readMarkers(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) (s Status, err error) {
	first, last := prefix+leasedKey, prefix+recordKey
	err = ask(ctx, conns, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		r, err := pb.NewKVClient(conn).Range(ctx, &pb.RangeRequest{Key: []byte(first), RangeEnd: append([]byte(last), 0), Limit: 3})
		for _, kv := range r.GetKvs() {
			s.add(prefix, kv)
		}
		return err
	})
	return s, err
}

// add adds one marker.
func (s *Status) add(prefix string, kv *mvccpb.KeyValue) {
	switch string(kv.Key) {
	case prefix + leasedKey:
		s.Active = &InUseError{Prefix: prefix, Owner: decodeOwner(kv.Value)}
	case prefix + recordKey:
		owner := decodeOwner(kv.Value)
		s.Left, s.left = &owner, kv.ModRevision
	default:
		return
	}
	s.Markers++
}

// belowPage is the number of keys that are read at a time.
const belowPage = 2000

// Below returns the claim of a prefix below another one, or nil if there is none. It reads the
// names of all keys under the prefix.
func Below(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) (active *InUseError, err error) {
	end := []byte(prefix)
	for end[len(end)-1]++; end[len(end)-1] == 0 && len(end) > 1; end[len(end)-1]++ {
		end = end[:len(end)-1]
	}
	request := &pb.RangeRequest{Key: []byte(prefix), RangeEnd: end, Limit: belowPage, KeysOnly: true}
	for more := true; more && active == nil && err == nil; {
		err = ask(ctx, conns, func(ctx context.Context, conn grpc.ClientConnInterface) error {
			r, err := pb.NewKVClient(conn).Range(ctx, request)
			if err != nil {
				return err
			}
			more = r.More && len(r.Kvs) > 0
			for _, kv := range r.Kvs {
				request.Key = append(kv.Key, 0)
				if below, ok := strings.CutSuffix(string(kv.Key), leasedKey); ok && below != prefix {
					active = &InUseError{Prefix: below}
					break
				}
			}
			return nil
		})
	}
	if active != nil {
		status, lookErr := readMarkers(ctx, conns, active.Prefix)
		if active, err = status.Active, lookErr; active == nil && err == nil { // it has ended meanwhile
			return Below(ctx, conns, prefix)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look for other runs under %q: %w", prefix, err)
	}
	return active, nil
}

// RemoveRecord deletes the record that Look has found, unless it has changed.
func (s Status) RemoveRecord(ctx context.Context, conns []grpc.ClientConnInterface, prefix string) error {
	if s.left == 0 {
		return nil
	}
	err := ask(ctx, conns, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		return unlessChanged(ctx, conn, prefix+recordKey, s.left, deleteOp(prefix+recordKey))
	})
	if err != nil {
		return fmt.Errorf("remove the record of a run under %q: %w", prefix, err)
	}
	return nil
}

// enclosing returns the shorter prefixes that end with a slash, the longest first.
func enclosing(prefix string) (list []string) {
	for i := len(prefix) - 2; i > 0; i-- {
		if prefix[i] == '/' {
			list = append(list, prefix[:i+1])
		}
	}
	return list
}
