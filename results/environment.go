package results

import (
	"fmt"
	"time"
)

// Environment describes the machine: everything besides the plan and the cluster that affects
// the figures.
type Environment struct {
	CPUModel    string `json:"cpu_model,omitempty"`
	CPUs        int    `json:"cpus"`
	GOMAXPROCS  int    `json:"gomaxprocs"`
	GOGC        string `json:"gogc,omitempty"`
	Memory      uint64 `json:"memory_bytes,omitempty"`
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	Kernel      string `json:"kernel,omitempty"`
	ClockSource string `json:"clock_source,omitempty"`
	// CPULimit (in CPUs) and MemoryLimit (in bytes) are the container's limits; 0 if there are
	// none.
	CPULimit    float64 `json:"cpu_limit,omitempty"`
	MemoryLimit uint64  `json:"memory_limit_bytes,omitempty"`

	Tool       string `json:"etcdbench_version"`
	Revision   string `json:"git_revision,omitempty"`
	Go         string `json:"go_version"`
	EtcdClient string `json:"etcd_client_version,omitempty"`

	// Disk describes the data directory of a cluster that etcdbench started.
	Disk *Disk `json:"disk,omitempty"`
}

// Machine describes a machine so that different machines have different descriptions: by
// processor, limits, memory and kernel.
func (e Environment) Machine() string {
	s := fmt.Sprintf("%d CPUs %s, %d GiB, %s/%s %s", e.CPUs, e.CPUModel, (e.Memory+1<<29)>>30, e.OS, e.Arch, e.Kernel)
	if e.CPULimit > 0 {
		s += fmt.Sprintf(", limited to %.4g CPUs", e.CPULimit)
	}
	return s
}

// Disk describes a file system, and the time of an fdatasync after a write of the size of a WAL
// entry, measured before the cluster started.
type Disk struct {
	FileSystem string        `json:"file_system"`
	Memory     bool          `json:"in_memory,omitempty"`
	SyncP50    time.Duration `json:"fdatasync_p50_ns"`
	SyncP99    time.Duration `json:"fdatasync_p99_ns"`
	Syncs      int           `json:"fdatasyncs"`
}

// The kinds of cluster.
const (
	ClusterProcess   = "process"
	ClusterInProcess = "in-process"
	ClusterRemote    = "remote"
	// ClusterStorage is etcd's multi-version store over its backend in this process, without
	// members.
	ClusterStorage = "storage"
	// ClusterLog is etcd's write-ahead log in this process, without members.
	ClusterLog = "wal"
)

// Cluster is the cluster that received the load.
type Cluster struct {
	// Kind is "process", "in-process", "remote", "storage" or "wal".
	Kind    string   `json:"kind"`
	Version string   `json:"version,omitempty"`
	TLS     bool     `json:"tls,omitempty"`
	Members []Member `json:"members"`
	// Settings are the etcd flags of a cluster that etcdbench started, without addresses.
	Settings map[string]string `json:"settings,omitempty"`
	// Binary is the etcd program, if it is not the built-in one.
	Binary string `json:"binary,omitempty"`
	// Unverified means that any server's certificate was accepted.
	Unverified bool `json:"insecure_skip_tls_verify,omitempty"`
}

// Shared reports whether the measured system runs in the generator's process.
func (c Cluster) Shared() bool { return c.Kind == ClusterInProcess || c.IsStorage() }

// IsStorage reports whether it is a storage layer alone, without members.
func (c Cluster) IsStorage() bool { return c.Kind == ClusterStorage || c.Kind == ClusterLog }

// Member is one member at the start of the run.
type Member struct {
	Name     string `json:"name,omitempty"`
	ID       string `json:"id,omitempty"`
	Endpoint string `json:"endpoint"`
	Version  string `json:"version,omitempty"`
	Leader   bool   `json:"leader,omitempty"`
	PID      int    `json:"pid,omitempty"`
	DBSize   int64  `json:"db_size_bytes,omitempty"`
	Quota    int64  `json:"quota_bytes,omitempty"`
	// Conns is the number of the load's connections to the member.
	Conns int `json:"conns,omitempty"`
}
