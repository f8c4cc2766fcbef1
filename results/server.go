package results

import (
	"time"
)

// Metric is one figure that is read from every member each second.
type Metric struct {
	Name string
	Unit string
	// Counter means that the figure only grows, and that its growth is reported.
	Counter bool
	// Source is the origin of the figure: a metric of etcd, or /proc.
	Source string
}

// Metrics returns the figures that are read from members. Readings use their names.
func Metrics() []Metric {
	return []Metric{
		{"cpu", "s", true, "process_cpu_seconds_total"},
		{"rss", "bytes", false, "process_resident_memory_bytes"},
		{"heap", "bytes", false, "go_memstats_heap_alloc_bytes"},
		{"alloc_bytes", "bytes", true, "go_memstats_alloc_bytes_total"},
		{"allocs", "objects", true, "go_memstats_mallocs_total"},
		{"gc_cycles", "", true, "go_gc_duration_seconds_count"},
		{"gc_pause", "s", true, "go_gc_duration_seconds_sum"},
		{"goroutines", "", false, "go_goroutines"},
		{"open_fds", "", false, "process_open_fds"},
		{"is_leader", "", false, "etcd_server_is_leader"},
		{"has_leader", "", false, "etcd_server_has_leader"},
		{"leader_changes", "", true, "etcd_server_leader_changes_seen_total"},
		{"heartbeat_failures", "", true, "etcd_server_heartbeat_send_failures_total"},
		{"proposals_pending", "", false, "etcd_server_proposals_pending"},
		{"proposals_committed", "", true, "etcd_server_proposals_committed_total"},
		{"proposals_applied", "", true, "etcd_server_proposals_applied_total"},
		{"proposals_failed", "", true, "etcd_server_proposals_failed_total"},
		{"slow_applies", "", true, "etcd_server_slow_apply_total"},
		{"slow_reads", "", true, "etcd_server_slow_read_indexes_total"},
		{"puts", "", true, "etcd_mvcc_put_total"},
		{"deletes", "", true, "etcd_mvcc_delete_total"},
		{"ranges", "", true, "etcd_mvcc_range_total"},
		{"txns", "", true, "etcd_mvcc_txn_total"},
		{"db_size", "bytes", false, "etcd_mvcc_db_total_size_in_bytes"},
		{"db_in_use", "bytes", false, "etcd_mvcc_db_total_size_in_use_in_bytes"},
		{"revision", "", false, "etcd_debugging_mvcc_current_revision"},
		{"quota", "bytes", false, "etcd_server_quota_backend_bytes"},
		{"fsyncs", "", true, "etcd_disk_wal_fsync_duration_seconds_count"},
		{"fsync_time", "s", true, "etcd_disk_wal_fsync_duration_seconds_sum"},
		{"commits", "", true, "etcd_disk_backend_commit_duration_seconds_count"},
		{"commit_time", "s", true, "etcd_disk_backend_commit_duration_seconds_sum"},
		{"snapshot_time", "s", true, "etcd_disk_backend_snapshot_duration_seconds_sum"},
		{"defrag_time", "s", true, "etcd_disk_backend_defrag_duration_seconds_sum"},
		{"compaction_time", "ms", true, "etcd_debugging_mvcc_db_compaction_total_duration_milliseconds_sum"},
		{"compaction_pause", "ms", true, "etcd_debugging_mvcc_db_compaction_pause_duration_milliseconds_sum"},
		{"index_compaction_pause", "ms", true, "etcd_debugging_mvcc_index_compaction_pause_duration_milliseconds_sum"},
		{"wal_bytes", "bytes", true, "etcd_disk_wal_write_bytes_total"},
		{"watchers", "", false, "etcd_debugging_mvcc_watcher_total"},
		{"slow_watchers", "", false, "etcd_debugging_mvcc_slow_watcher_total"},
		{"pending_events", "", false, "etcd_debugging_mvcc_pending_events_total"},
		{"events", "", true, "etcd_debugging_mvcc_events_total"},
		{"peer_sent", "bytes", true, "etcd_network_peer_sent_bytes_total"},
		{"peer_received", "bytes", true, "etcd_network_peer_received_bytes_total"},
		{"client_sent", "bytes", true, "etcd_network_client_grpc_sent_bytes_total"},
		{"client_received", "bytes", true, "etcd_network_client_grpc_received_bytes_total"},
		{"proc_cpu", "s", true, "/proc/PID/stat utime and stime"},
		{"proc_rss", "bytes", false, "/proc/PID/statm resident"},
		{"disk_written", "bytes", true, "/proc/PID/io write_bytes"},
	}
}

// The members' histograms, whose buckets are saved.
const (
	HistogramFsync   = "fsync"
	HistogramCommit  = "commit"
	HistogramPeerRTT = "peer_rtt"
)

// Reading holds the figures of one member at one moment.
type Reading struct {
	Member string `json:"member"`
	// At is when the answer was complete, from the run's start.
	At time.Duration `json:"at_ns"`
	// Missing is the reason why there are no values: a gap.
	Missing string `json:"missing,omitempty"`
	// Values are by the names of [Metrics]. Counters have the member's values, since its start.
	// Metrics that the member does not have are omitted.
	Values map[string]float64 `json:"values,omitempty"`
	// Buckets are the cumulative counts of the histograms; their bounds are in
	// [Server].
	Buckets map[string][]uint64 `json:"buckets,omitempty"`
}

// Server holds the members' own figures over the whole load.
type Server struct {
	// Bounds are the histograms' upper bounds in seconds, without the last, +Inf.
	Bounds  map[string][]float64 `json:"bounds,omitempty"`
	Members []ServerMember       `json:"members"`
	// Cost is the cost of an operation in the measured phases: for each member, and with an
	// empty name for all members together.
	Cost []Cost `json:"cost,omitempty"`
}

// ServerMember holds the figures of one member.
type ServerMember struct {
	Member string `json:"member"`
	// Growth is the growth of the counters from before the first operation to after the last
	// one. Last holds the last values of the gauges.
	Growth map[string]float64 `json:"growth,omitempty"`
	Last   map[string]float64 `json:"last,omitempty"`
	// Times are the histograms' percentiles over the load.
	Times map[string]BucketTimes `json:"times,omitempty"`
	// Readings is the number of requests to the member, and Missed the number of requests
	// without an answer.
	Readings int `json:"readings"`
	Missed   int `json:"missed,omitempty"`
}

// BucketTimes are percentiles from buckets: each lies between two bounds, in nanoseconds. An
// upper bound of 0 means that there is none.
type BucketTimes struct {
	Count uint64   `json:"count"`
	Mean  int64    `json:"mean_ns"`
	P50   [2]int64 `json:"p50_ns"`
	P99   [2]int64 `json:"p99_ns"`
	P999  [2]int64 `json:"p99.9_ns"`
}

// NewBucketTimes computes percentiles from the growth of cumulative buckets. The last bucket is
// +Inf. sum is in seconds, as the bounds are.
func NewBucketTimes(bounds []float64, growth []uint64, sum float64) BucketTimes {
	if len(growth) != len(bounds)+1 || growth[len(bounds)] == 0 {
		return BucketTimes{}
	}
	n := growth[len(bounds)]
	t := BucketTimes{Count: n, Mean: int64(sum / float64(n) * float64(time.Second))}
	at := func(p float64) [2]int64 {
		rank := max(1, uint64(p/100*float64(n)+0.999999))
		low := 0.0
		for i, bound := range bounds {
			if growth[i] >= rank {
				return [2]int64{int64(low * float64(time.Second)), int64(bound * float64(time.Second))}
			}
			low = bound
		}
		return [2]int64{int64(low * float64(time.Second)), 0}
	}
	t.P50, t.P99, t.P999 = at(50), at(99), at(99.9)
	return t
}

// Cost is the cost of one operation for the server in one phase.
type Cost struct {
	Phase  string `json:"phase"`
	Member string `json:"member,omitempty"`
	// Operations is the number of operations that were completed in the phase, without those
	// that arrived without a request.
	Operations uint64 `json:"operations"`
	// Figures are per operation, by the names of [CostFigures].
	Figures map[string]float64 `json:"figures"`
}

// CostFigure is one figure of a cost.
type CostFigure struct {
	Name, Unit string
	// Label is the name of the figure in reports.
	Label string
	// From are the counters whose growth is added up.
	From []string
	// Scale converts their unit to that of the figure.
	Scale float64
}

// CostFigures lists what costs are made of. The figures are those that etcd counts: its
// fsyncs are the fsyncs of the write-ahead log, beside which each commit of the backend syncs
// the database twice; its network bytes are messages without the headers of HTTP/2, TLS
// and TCP.
func CostFigures() []CostFigure {
	return []CostFigure{
		{"cpu", "ns", "CPU", []string{"cpu"}, 1e9},
		{"alloc_bytes", "bytes", "allocated", []string{"alloc_bytes"}, 1},
		{"allocs", "objects", "allocations", []string{"allocs"}, 1},
		{"fsyncs", "", "WAL fsyncs", []string{"fsyncs"}, 1},
		{"backend_commits", "", "backend commits", []string{"commits"}, 1},
		{"wal_bytes", "bytes", "WAL", []string{"wal_bytes"}, 1},
		{"disk_written", "bytes", "disk", []string{"disk_written"}, 1},
		{"peer_bytes", "bytes", "peer payload", []string{"peer_sent", "peer_received"}, 1},
		{"client_bytes", "bytes", "client gRPC payload", []string{"client_sent", "client_received"}, 1},
	}
}

// NewCost divides the growth of a member's counters by the operations. It omits figures with an
// unknown counter.
func NewCost(phase, member string, operations uint64, growth map[string]float64) Cost {
	c := Cost{Phase: phase, Member: member, Operations: operations, Figures: map[string]float64{}}
	for _, f := range CostFigures() {
		sum, known := 0.0, true
		for _, name := range f.From {
			g, ok := growth[name]
			sum, known = sum+g, known && ok
		}
		if known && operations > 0 {
			c.Figures[f.Name] = sum * f.Scale / float64(operations)
		}
	}
	return c
}
