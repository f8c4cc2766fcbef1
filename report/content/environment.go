package content

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// DescribeCluster describes a cluster in one line: members, version and settings
// that change what it can do. disk is where its data are, nil if that is unknown.
func DescribeCluster(c results.Cluster, disk *results.Disk) string {
	if len(c.Members) == 0 && !c.IsStorage() {
		return "none"
	}
	n := len(c.Members)
	var parts []string
	switch c.Kind {
	case results.ClusterStorage:
		parts = append(parts, "none: etcd's store and backend in the generator's process, without gRPC, Raft and log")
	case results.ClusterLog:
		parts = append(parts, "none: etcd's write-ahead log in the generator's process, without gRPC, Raft and store")
	case "process":
		parts = append(parts, words.Plural(n, "member process", "member processes"))
	case "in-process":
		parts = append(parts, words.Plural(n, "member", "members")+" inside the generator's process")
	default:
		parts = append(parts, words.Plural(n, "remote member", "remote members"))
	}
	parts = append(parts, "etcd "+words.Clean(c.Version))
	switch {
	case c.Unverified:
		parts = append(parts, "TLS without verification of certificates")
	case c.TLS:
		parts = append(parts, "TLS")
	}
	if c.Settings["unsafe-no-fsync"] == "true" {
		parts = append(parts, "WITHOUT FSYNC")
	}
	if rtt := c.Settings["network:rtt"]; rtt != "" && rtt != "0s" {
		parts = append(parts, "round trips of "+words.Clean(rtt)+" made between members")
	}
	if zones := c.Settings["network:zone-rtts"]; zones != "" {
		parts = append(parts, "between zones "+words.Clean(zones))
	}
	if disk != nil {
		parts = append(parts, "data on "+DescribeDisk(disk))
	}
	return strings.Join(parts, ", ")
}

// DescribeDisk describes the disk of a cluster's data in one line, or returns "" for nil.
func DescribeDisk(disk *results.Disk) string {
	if disk == nil {
		return ""
	}
	fs := words.Clean(disk.FileSystem)
	if disk.Memory {
		fs += " (in memory: fsync costs nothing)"
	}
	return fmt.Sprintf("%s with fdatasync p50 %s and p99 %s",
		fs, words.DurationOrUnknown(int64(disk.SyncP50)), words.DurationOrUnknown(int64(disk.SyncP99)))
}

// DescribeMachine describes a machine in one line.
func DescribeMachine(e results.Environment) string {
	if e.CPUs == 0 {
		return "unknown"
	}
	cpus := words.Plural(e.CPUs, "CPU", "CPUs")
	if e.CPUModel != "" {
		cpus += " " + words.Clean(e.CPUModel)
	}
	if e.CPULimit > 0 {
		cpus += fmt.Sprintf(" (limited to %.4g)", e.CPULimit)
	}
	parts := []string{cpus}
	if e.Memory > 0 {
		parts = append(parts, humanize.IBytes(e.Memory))
	}
	system := words.Clean(e.OS)
	if e.Kernel != "" {
		system += " " + words.Clean(e.Kernel)
	}
	return strings.Join(append(parts, system, words.Clean(e.Go)), ", ")
}
