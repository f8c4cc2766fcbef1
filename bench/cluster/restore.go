package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.etcd.io/etcd/client/v3"
	clientsnapshot "go.etcd.io/etcd/client/v3/snapshot"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// SnapshotFile returns the path of the file that [Processes.SaveSnapshot] writes. The file is
// removed with the members' data.
func (c *Processes) SnapshotFile() string {
	return filepath.Join(snapshotDir(c.settings.DataDir), "db")
}

// snapshotDir returns the directory of the snapshot files, which the members remove when they
// end.
func snapshotDir(dataDir string) string { return filepath.Join(dataDir, "snapshot") }

// SaveSnapshot saves a snapshot of a member to [Processes.SnapshotFile], as etcdctl does, and
// returns the size of the file in bytes. It replaces an existing file.
func (c *Processes) SaveSnapshot(ctx context.Context, member int) (size int64, err error) {
	file := c.SnapshotFile()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return 0, fmt.Errorf("save snapshot: %w", err)
	}
	config := clientv3.Config{Endpoints: []string{c.processes()[member].client}, TLS: c.tls}
	if _, err := clientsnapshot.SaveWithVersion(ctx, zap.NewNop(), config, file); err != nil {
		return 0, fmt.Errorf("save snapshot: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return 0, fmt.Errorf("save snapshot: %w", err)
	}
	return info.Size(), nil
}

// Restore replaces the data of a member, whose process has ended, with
// [Processes.SnapshotFile], as etcdutl does. Members that are restored from one file form a new
// cluster with the same names and addresses when they are started. It returns an error if the
// member's process is running, or if the snapshot file is incomplete.
func (c *Processes) Restore(member int) error {
	p := c.processes()[member]
	if p.running() {
		return fmt.Errorf("member %s: its process is still running", p.name)
	}
	if err := os.RemoveAll(p.dataDir); err != nil {
		return fmt.Errorf("member %s: remove its data: %w", p.name, err)
	}
	info, err := os.Stat(c.SnapshotFile())
	if err != nil {
		return fmt.Errorf("member %s: restore from a snapshot: %w", p.name, err)
	}
	var all []string
	for i, m := range c.processes() {
		all = append(all, m.name+"="+c.PeerURL(i))
	}
	err = snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: c.SnapshotFile(), Name: p.name, OutputDataDir: p.dataDir, PeerURLs: []string{c.PeerURL(member)},
		InitialCluster: strings.Join(all, ","),
		// Members of the new and the old cluster must not accept each other.
		InitialClusterToken: fmt.Sprintf("restored-%d", info.ModTime().UnixNano()),
	})
	if err != nil {
		return fmt.Errorf("member %s: restore from a snapshot: %w", p.name, err)
	}
	return nil
}
