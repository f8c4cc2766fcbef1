// Package reply checks the replies of etcd where they enter the program. It knows messages,
// but no connections.
package reply

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Bounds of the values in a reply. They are far above what etcd sends, and leave room for sums
// and for times in nanoseconds.
const (
	maxRevision = 1 << 62
	maxTTL      = 9_000_000_000 // seconds: etcd's own bound
	maxVersion  = 64            // bytes of the text of a version
)

// Check returns an error if a reply to a method is well-formed, but not one that etcd sends:
// without a header, without one response for each operation of a transaction, with events
// without a key, or with numbers out of bounds. The error has the code Internal. The package
// transport checks all that it receives, so that code that reads a reply need not do so; other
// decoders must call Check. request may be nil for a message of a stream. It allocates nothing
// for a valid reply.
func Check(method string, request, reply any) error {
	if err := check(request, reply); err != nil {
		return invalid(method, err)
	}
	return nil
}

// A Stream checks the messages of one stream as [Check] does. It also checks that no watch of
// the stream has the identifier of another one that is in use, or was canceled a while ago:
// clientv3 would lose one of the two when the stream ends, and never close its channel. A Stream
// is for one goroutine.
type Stream struct {
	Method string
	// watches has the identifiers of watches: true for those in use.
	watches map[int64]bool
	// canceled has the identifiers of the latest maxCanceled canceled watches, in this order.
	canceled []int64
}

// maxCanceled is how many canceled watches a [Stream] remembers. clientv3 forgets a canceled watch
// beside the next messages of the stream, in no fixed order.
const maxCanceled = 1024

// Check returns an error for a message that etcd does not send.
func (s *Stream) Check(m any) error {
	err := check(nil, m)
	if r, ok := m.(*pb.WatchResponse); ok && err == nil {
		err = s.checkWatch(r)
	}
	if err != nil {
		return invalid(s.Method, err)
	}
	return nil
}

func (s *Stream) checkWatch(r *pb.WatchResponse) error {
	switch used, known := s.watches[r.WatchId]; {
	case r.Canceled && used:
		s.watches[r.WatchId] = false
		s.canceled = append(s.canceled, r.WatchId)
		if len(s.canceled) > maxCanceled {
			delete(s.watches, s.canceled[0])
			s.canceled = s.canceled[1:]
		}
	case r.Canceled: // a watch that was refused
	case r.Created && (known || r.WatchId < 0):
		return fmt.Errorf("a new watch has the identifier %d, which another one has or had", r.WatchId)
	case r.Created:
		if s.watches == nil {
			s.watches = map[int64]bool{}
		}
		s.watches[r.WatchId] = true
	}
	return nil
}

func invalid(method string, err error) error {
	return status.Errorf(codes.Internal, "invalid reply to %s: %v", method[strings.LastIndexByte(method, '/')+1:], err)
}

func check(request, reply any) error {
	switch r := reply.(type) {
	case *pb.PutResponse:
		return checkHeader(r.Header)
	case *pb.RangeResponse:
		q, _ := request.(*pb.RangeRequest)
		return errors.Join(checkHeader(r.Header), checkRange(q, r))
	case *pb.RangeStreamResponse:
		return checkRange(nil, r.RangeResponse)
	case *pb.DeleteRangeResponse:
		return errors.Join(checkHeader(r.Header), checkDeleted(r))
	case *pb.TxnResponse:
		q, _ := request.(*pb.TxnRequest)
		return errors.Join(checkHeader(r.Header), checkTxn(q, r))
	case *pb.WatchResponse:
		return errors.Join(checkHeader(r.Header), checkEvents(r))
	case *pb.LeaseGrantResponse:
		q, _ := request.(*pb.LeaseGrantRequest)
		return checkGrant(q, r)
	case *pb.LeaseKeepAliveResponse:
		return checkBound("the time to live", r.TTL, maxTTL)
	case *pb.StatusResponse:
		return errors.Join(checkHeader(r.Header), checkStatus(r))
	case *pb.HashKVResponse:
		return checkHeader(r.Header)
	}
	return nil
}

func checkHeader(h *pb.ResponseHeader) error {
	if h == nil {
		return errors.New("no header")
	}
	return checkBound("the revision", h.Revision, maxRevision)
}

func checkBound(what string, n, most int64) error {
	if n < 0 || n > most {
		return fmt.Errorf("%s is %d", what, n)
	}
	return nil
}

func checkKeyValue(kv *mvccpb.KeyValue) error {
	if kv == nil || len(kv.Key) == 0 {
		return errors.New("an entry without a key")
	}
	for _, n := range [...]int64{kv.CreateRevision, kv.ModRevision, kv.Version} {
		if n < 0 || n > maxRevision {
			return fmt.Errorf("a key with the revision or version %d", n)
		}
	}
	return nil
}

// checkRange checks one page of keys. A reader continues a list after the last key of a page,
// so that this key must lie after the beginning of the page.
func checkRange(q *pb.RangeRequest, r *pb.RangeResponse) error {
	if r == nil {
		return errors.New("no range response")
	}
	for _, kv := range r.Kvs {
		if err := checkKeyValue(kv); err != nil {
			return err
		}
	}
	switch n := len(r.Kvs); {
	case r.Count < 0 || r.Count > maxRevision:
		return fmt.Errorf("%d keys", r.Count)
	case r.More && n == 0:
		return errors.New("an empty page says that there are more keys")
	case r.More && q != nil && q.SortTarget == pb.RangeRequest_KEY && bytes.Compare(r.Kvs[n-1].Key, q.Key) < 0:
		return errors.New("a page ends before the key that it begins with")
	}
	return nil
}

func checkDeleted(r *pb.DeleteRangeResponse) error {
	if r.Deleted < 0 {
		return fmt.Errorf("%d keys were deleted", r.Deleted)
	}
	for _, kv := range r.PrevKvs {
		if err := checkKeyValue(kv); err != nil {
			return err
		}
	}
	return nil
}

// checkTxn checks that each executed operation has its response.
func checkTxn(q *pb.TxnRequest, r *pb.TxnResponse) error {
	if q == nil {
		return nil
	}
	ops := q.Failure
	if r.Succeeded {
		ops = q.Success
	}
	if len(ops) != len(r.Responses) {
		return fmt.Errorf("%d responses to the %d operations of a transaction", len(r.Responses), len(ops))
	}
	for i, op := range ops {
		if err := checkResponse(op, r.Responses[i]); err != nil {
			return err
		}
		if !r.Succeeded && comparesAbsence(q, op.GetRequestRange()) && len(r.Responses[i].GetResponseRange().Kvs) == 0 {
			return errors.New("a key exists for the comparison of a transaction and not for its range")
		}
	}
	return nil
}

// checkResponse checks the response to one operation of a transaction.
func checkResponse(op *pb.RequestOp, r *pb.ResponseOp) error {
	switch q := op.GetRequest().(type) {
	case *pb.RequestOp_RequestRange:
		inner := r.GetResponseRange()
		if inner == nil {
			break
		}
		return errors.Join(checkHeader(inner.Header), checkRange(q.RequestRange, inner))
	case *pb.RequestOp_RequestPut:
		if r.GetResponsePut() != nil {
			return nil
		}
	case *pb.RequestOp_RequestDeleteRange:
		if inner := r.GetResponseDeleteRange(); inner != nil {
			return checkDeleted(inner)
		}
	case *pb.RequestOp_RequestTxn:
		if inner := r.GetResponseTxn(); inner != nil {
			return checkTxn(q.RequestTxn, inner)
		}
	default:
		return nil
	}
	return errors.New("an operation of a transaction has a response of another kind")
}

// comparesAbsence reports whether the only comparison of a transaction is that the single key
// of a range does not exist.
func comparesAbsence(q *pb.TxnRequest, r *pb.RangeRequest) bool {
	if r == nil || len(q.Compare) != 1 || len(r.RangeEnd) > 0 {
		return false
	}
	c := q.Compare[0]
	absence := c.Target == pb.Compare_CREATE && c.GetCreateRevision() == 0 || c.Target == pb.Compare_MOD && c.GetModRevision() == 0
	return absence && c.Result == pb.Compare_EQUAL && bytes.Equal(c.Key, r.Key)
}

func checkEvents(r *pb.WatchResponse) error {
	for _, e := range r.Events {
		if e == nil {
			return errors.New("an event without a key")
		}
		if err := checkKeyValue(e.Kv); err != nil {
			return err
		}
		if e.Type != mvccpb.PUT && e.Type != mvccpb.DELETE {
			return fmt.Errorf("an event of the type %d", e.Type)
		}
	}
	return checkBound("the compact revision", r.CompactRevision, maxRevision)
}

func checkGrant(q *pb.LeaseGrantRequest, r *pb.LeaseGrantResponse) error {
	switch {
	case r.Error != "":
		return nil
	case r.ID == 0:
		return errors.New("a lease without an ID")
	case q != nil && q.ID != 0 && r.ID != q.ID:
		return fmt.Errorf("lease %x instead of %x", r.ID, q.ID)
	}
	return checkBound("the time to live", r.TTL, maxTTL)
}

func checkStatus(r *pb.StatusResponse) error {
	if len(r.Version) > maxVersion {
		return fmt.Errorf("a version of %d bytes", len(r.Version))
	}
	return errors.Join(
		checkBound("the size of the database", r.DbSize, maxRevision),
		checkBound("the size in use", r.DbSizeInUse, maxRevision),
		checkBound("the quota", max(0, r.DbSizeQuota), maxRevision))
}
