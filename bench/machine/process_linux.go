package machine

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ is 100 on every platform
// that Go runs on.
const clockTick = 10 * time.Millisecond

// ReadProcess reads the resources that a process has used. It needs permission to read
// /proc/PID/io, which the process's owner has.
func ReadProcess(pid int) (Process, error) {
	var p Process
	file := func(name string) ([]byte, error) { return os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)) }
	stat, err := file("stat")
	if err != nil {
		return p, err
	}
	// The second field, a name in parentheses, may contain any characters.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return p, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err1 != nil || err2 != nil {
		return p, fmt.Errorf("/proc/%d/stat: CPU times %q, %q", pid, fields[11], fields[12])
	}
	p.CPU = time.Duration(user+system) * clockTick
	statm, err := file("statm")
	if err != nil {
		return p, err
	}
	var size, resident uint64
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		return p, fmt.Errorf("/proc/%d/statm: %w", pid, err)
	}
	p.Resident = resident * uint64(os.Getpagesize())
	io, err := file("io")
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(string(io)) {
		if v, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			p.Written, err = strconv.ParseUint(strings.TrimSpace(v), 10, 64)
			return p, err
		}
	}
	return p, fmt.Errorf("/proc/%d/io has no write_bytes", pid)
}
