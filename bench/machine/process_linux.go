package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// DiskWritten is how many bytes a process has caused to be written to disks. It
// needs the right to read /proc/PID/io: that of the process's owner.
func DiskWritten(pid int) (uint64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			return strconv.ParseUint(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/%d/io has no write_bytes", pid)
}
