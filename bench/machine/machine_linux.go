package machine

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/etcdbench/etcdbench/results"
)

// userTick is the unit of /proc/stat: 1/USER_HZ, which is 100 on every
// architecture that Go runs on.
const userTick = 10 * time.Millisecond

func (u *Usage) readMachine() {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	// cpu user nice system idle iowait irq softirq steal guest guest_nice; guest time is
	// already part of user time.
	fields := strings.Fields(string(line))
	for i, f := range fields[min(1, len(fields)):] {
		n, _ := strconv.ParseInt(f, 10, 64)
		d := time.Duration(n) * userTick
		switch i {
		case 3, 4:
			u.Total += d
		case 7:
			u.Steal += d
			u.Total += d
		case 8, 9:
		default:
			u.Busy += d
			u.Total += d
		}
	}
	u.Throttled = throttled()
}

// throttled returns the time for which a CPU limit has stopped this cgroup (v2).
func throttled() time.Duration {
	data, err := os.ReadFile(filepath.Join(cgroup(), "cpu.stat"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "throttled_usec "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}

// cgroup returns the directory of this process's cgroup (v2).
func cgroup() string {
	data, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(data)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return filepath.Join("/sys/fs/cgroup", strings.TrimSpace(path))
		}
	}
	return "/sys/fs/cgroup"
}

// cpuLimit returns the container's CPU limit in CPUs, or 0 if there is none.
func cpuLimit() float64 {
	data, err := os.ReadFile(filepath.Join(cgroup(), "cpu.max"))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) != 2 {
		return 0
	}
	quota, err1 := strconv.ParseFloat(fields[0], 64)
	period, err2 := strconv.ParseFloat(fields[1], 64)
	if err1 != nil || err2 != nil || period <= 0 {
		return 0
	}
	return quota / period
}

func availableCPUs() float64 {
	cpus := float64(min(runtime.NumCPU(), runtime.GOMAXPROCS(0)))
	if limit := cpuLimit(); limit > 0 {
		return min(limit, cpus)
	}
	return cpus
}

func describe(e *results.Environment) {
	e.CPUModel = procValue("/proc/cpuinfo", "model name")
	if kb, err := strconv.ParseUint(strings.TrimSuffix(procValue("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		e.Memory = kb << 10
	}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		e.Kernel = unix.ByteSliceToString(uts.Release[:])
	}
	e.ClockSource = readLine("/sys/devices/system/clocksource/clocksource0/current_clocksource")
	e.CPULimit = cpuLimit()
	e.MemoryLimit, _ = strconv.ParseUint(readLine(filepath.Join(cgroup(), "memory.max")), 10, 64)
}

func readLine(path string) string {
	data, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(data), "\n")
	return strings.TrimSpace(line)
}

// procValue returns the value after "key:" in a file of /proc.
func procValue(path, key string) string {
	data, _ := os.ReadFile(path)
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// FileSystem returns the name of the file system of a path, and reports whether it is in
// memory, where an fsync has no cost.
func FileSystem(path string) (name string, inMemory bool) {
	var st unix.Statfs_t
	if unix.Statfs(path, &st) != nil {
		return "", false
	}
	switch int64(st.Type) {
	case unix.TMPFS_MAGIC:
		return "tmpfs", true
	case unix.RAMFS_MAGIC:
		return "ramfs", true
	case unix.EXT4_SUPER_MAGIC:
		return "ext4", false
	case unix.XFS_SUPER_MAGIC:
		return "xfs", false
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", false
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs", false
	case unix.NFS_SUPER_MAGIC:
		return "nfs", false
	}
	return "0x" + strconv.FormatInt(int64(st.Type), 16), false
}

// FreeSpace returns the number of bytes that an unprivileged user may still write at path.
func FreeSpace(path string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(path, &st); err != nil {
		return 0, err
	}
	return st.Bavail * uint64(st.Bsize), nil
}

// AvailableMemory returns the number of bytes that programs can use without swapping, or 0 if
// it is unknown.
func AvailableMemory() uint64 {
	kilobytes, _, _ := strings.Cut(procValue("/proc/meminfo", "MemAvailable"), " ")
	n, err := strconv.ParseUint(kilobytes, 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

func fdatasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
