package workloads

import (
	"fmt"
	"slices"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
)

// maxNamed is the largest number of keys of a transaction that are named.
const maxNamed = 4

// requestKeys names the keys of a request, and is empty for a request of a lease.
func requestKeys(request any) string {
	var keys []string
	switch r := request.(type) {
	case *pb.PutRequest:
		return string(r.Key)
	case *pb.RangeRequest:
		return keyRange(r.Key, r.RangeEnd)
	case *pb.DeleteRangeRequest:
		return keyRange(r.Key, r.RangeEnd)
	case *pb.TxnRequest:
		keys = opKeys(opKeys(nil, r.Success), r.Failure)
	}
	if more := len(keys) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:maxNamed], ", "), more)
	}
	return strings.Join(keys, ", ")
}

// keyRange is one key, or the first key and the end of a range.
func keyRange(key, end []byte) string {
	if len(end) == 0 {
		return string(key)
	}
	return fmt.Sprintf("[%s, %s)", key, end)
}

// opKeys appends the keys of operations, each once.
func opKeys(keys []string, ops []*pb.RequestOp) []string {
	for _, op := range ops {
		var key string
		switch r := op.Request.(type) {
		case *pb.RequestOp_RequestPut:
			key = requestKeys(r.RequestPut)
		case *pb.RequestOp_RequestRange:
			key = requestKeys(r.RequestRange)
		case *pb.RequestOp_RequestDeleteRange:
			key = requestKeys(r.RequestDeleteRange)
		case *pb.RequestOp_RequestTxn:
			key = requestKeys(r.RequestTxn)
		}
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}
