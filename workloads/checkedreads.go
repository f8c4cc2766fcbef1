package workloads

import (
	"slices"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"github.com/etcdbench/etcdbench/workloads/consistency"
)

// The limits of the check of an answer with many keys: at most compared keys are compared, and
// the answer is searched for at most missed followed keys.
const (
	compared = 32
	missed   = 2
)

// content checks the keys that were read.
func (c *checkedConn) content(q inquiry, r *pb.RangeRequest, answer *pb.RangeResponse, a consistency.Answer) {
	at := a.Revision
	if r.Revision > 0 {
		at = r.Revision
	}
	if len(answer.Kvs) == 0 && oneKey(r) {
		if q.key != 0 {
			c.checker.Read(q.key, q.Call, a, consistency.Read{Revision: at})
		}
		return
	}
	step := max(1, (len(answer.Kvs)+compared-1)/compared)
	for i := int(uint64(q.Sent) % uint64(step)); i < len(answer.Kvs); i += step {
		c.contentOf(q, r, answer.Kvs[i], a, at)
	}
	if len(r.RangeEnd) > 0 {
		c.missing(q, r, answer, a, at)
	}
}

// contentOf checks one key that was read.
func (c *checkedConn) contentOf(q inquiry, r *pb.RangeRequest, kv *mvccpb.KeyValue, a consistency.Answer, at int64) {
	if kv.Lease != 0 {
		c.checker.Leased(kv.Key, kv.Lease, q.Call, a, at)
	}
	key := q.key
	if key == 0 {
		key = c.checker.Find(kv.Key)
	}
	if key == 0 {
		return
	}
	read := consistency.Read{Revision: at, Modified: kv.ModRevision, Version: kv.Version, Value: kv.Value, Created: kv.CreateRevision}
	switch {
	case r.KeysOnly:
		read.Value, read.Created = nil, 0 // some servers do not return these fields
	case read.Value == nil:
		read.Value = []byte{}
	}
	c.checker.Read(key, q.Call, a, read)
}

// missing checks whether an answer with all keys of a range lacks followed keys, which it
// chooses at random.
func (c *checkedConn) missing(q inquiry, r *pb.RangeRequest, answer *pb.RangeResponse, a consistency.Answer, at int64) {
	complete := completeness{request: r}
	if !complete.possible() || answer.More && len(answer.Kvs) == 0 {
		return
	}
	if answer.More {
		complete.last = string(answer.Kvs[len(answer.Kvs)-1].Key)
	}
	for i := range uint64(missed) {
		k, name := c.checker.Sampled(uint64(q.Sent) + i)
		if k == 0 || !complete.covers(name) {
			continue
		}
		_, found := slices.BinarySearchFunc(answer.Kvs, name, func(kv *mvccpb.KeyValue, name string) int {
			switch {
			case string(kv.Key) < name:
				return -1
			case string(kv.Key) > name:
				return 1
			}
			return 0
		})
		if !found {
			c.checker.Read(k, q.Call, a, consistency.Read{Revision: at})
		}
	}
}

// completeness determines which existing keys an answer must contain.
type completeness struct {
	request *pb.RangeRequest
	// last is the last key of an answer that does not have all keys of the range.
	last string
}

// possible reports whether an answer contains all keys from the beginning of the range on, in
// their order.
func (c *completeness) possible() bool {
	r := c.request
	return unfiltered(r) && r.SortTarget == pb.RangeRequest_KEY && r.SortOrder != pb.RangeRequest_DESCEND
}

// covers reports whether a key is in the part of the range that an answer has.
func (c *completeness) covers(key string) bool {
	r := c.request
	return key >= string(r.Key) && (string(r.RangeEnd) == "\x00" || key < string(r.RangeEnd)) && (c.last == "" || key <= c.last)
}
