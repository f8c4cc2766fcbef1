package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// Replace starts a member whose process has ended as a new member of the same name, without
// its data. The cluster must have been told to remove the old one and to add the new one
// before. It does not wait until the member is ready.
func (c *Processes) Replace(member int) error {
	p := c.processes()[member]
	if p.running() {
		return fmt.Errorf("member %s: its process is there still", p.name)
	}
	if err := os.RemoveAll(p.dataDir); err != nil {
		return fmt.Errorf("member %s: remove its data: %w", p.name, err)
	}
	// Of two flags with one name, the last wins.
	p.memberSpec.args = append(p.memberSpec.args[:len(p.memberSpec.args):len(p.memberSpec.args)], "--initial-cluster-state=existing")
	return c.Start(member)
}

// DatabaseFile is the path of a member's database.
func (c *Processes) DatabaseFile(member int) string {
	return databaseFile(c.processes()[member].dataDir)
}

// DataDir is the directory of a member's data.
func (c *Processes) DataDir(member int) string { return c.processes()[member].dataDir }

// PeerURL is where other members reach a member.
func (c *Processes) PeerURL(member int) string {
	if c.links != nil {
		return "http://" + c.links.proxies[member].Address
	}
	return "http://" + c.processes()[member].peer
}

// databaseFile is that of a data directory.
func databaseFile(dataDir string) string { return filepath.Join(dataDir, "member", "snap", "db") }
