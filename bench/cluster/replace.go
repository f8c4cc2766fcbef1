package cluster

import (
	"fmt"
	"os"
	"path/filepath"
)

// Replace starts a member whose process has ended as a new member of the same name, without
// its data. The caller must have removed the old member from the cluster and added the new
// one. Replace does not wait until the member is ready.
func (c *Processes) Replace(member int) error {
	p := c.processes()[member]
	if p.running() {
		return fmt.Errorf("member %s: its process has not ended", p.name)
	}
	if err := os.RemoveAll(p.dataDir); err != nil {
		return fmt.Errorf("member %s: remove its data: %w", p.name, err)
	}
	// etcd uses the last of two flags with one name.
	p.memberSpec.args = append(p.memberSpec.args[:len(p.memberSpec.args):len(p.memberSpec.args)], "--initial-cluster-state=existing")
	return c.Start(member)
}

// DatabaseFile returns the path of the database of a member.
func (c *Processes) DatabaseFile(member int) string {
	return databaseFile(c.processes()[member].dataDir)
}

// DataDir returns the data directory of a member.
func (c *Processes) DataDir(member int) string { return c.processes()[member].dataDir }

// PeerURL returns the URL at which other members reach a member.
func (c *Processes) PeerURL(member int) string {
	if c.links != nil {
		return "http://" + c.links.proxies[member].Address
	}
	return "http://" + c.processes()[member].peer
}

// databaseFile returns the path of the database in a data directory.
func databaseFile(dataDir string) string { return filepath.Join(dataDir, "member", "snap", "db") }
