package cluster

import (
	"os"
	"path/filepath"
	"time"
)

// memberNames matches the names of data directories.
const memberNames = "m[1-9]"

// sweepDelay is the time that the other members have to end before their data are removed.
const sweepDelay = hardStopTimeout + time.Second

// removeAll removes the directories at the end of a member. If its parent, which has the given
// process ID, has died, it also removes the directory around them, waits for the other members, and
// removes the directories of members that ended before, such as those that were killed. A parent that
// is alive needs the directory around them to start the members again.
func removeAll(dirs []string, parent int) {
	for _, dir := range dirs {
		_ = os.RemoveAll(dir)
	}
	if len(dirs) == 0 || os.Getppid() == parent {
		return
	}
	for _, dir := range dirs {
		_ = os.Remove(filepath.Dir(dir)) // succeeds only if it is empty
	}
	others, _ := filepath.Glob(filepath.Join(filepath.Dir(dirs[0]), memberNames))
	if len(others) == 0 {
		return
	}
	time.Sleep(sweepDelay)
	for _, dir := range others {
		_ = os.RemoveAll(dir)
		_ = os.Remove(filepath.Dir(dir))
	}
}
