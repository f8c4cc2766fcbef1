package cluster

import (
	"os"
	"path/filepath"
	"time"
)

// memberNames matches the names of data directories.
const memberNames = "m[1-9]"

// sweepDelay is how long the other members have to end before their data are removed.
const sweepDelay = hardStopTimeout + time.Second

// removeAll removes the directories at the end of a member. Where its parent, which has
// the given process ID, has died, it waits for the other members and removes what those
// have left that ended before, such as one that was killed.
func removeAll(dirs []string, parent int) {
	for _, dir := range dirs {
		_ = os.RemoveAll(dir)
		_ = os.Remove(filepath.Dir(dir)) // when this was the last thing in it
	}
	if len(dirs) == 0 || os.Getppid() == parent {
		return
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
