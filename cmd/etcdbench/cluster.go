package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/scratch"
)

func newClusterCommand() *cobra.Command {
	var o specFlags
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "start a cluster, print its endpoints, and wait",
		Long: `Starts a cluster of member processes on this machine, prints its endpoints on
one line, and waits for Ctrl-C; then the cluster and its data are removed.`,
		Example: "  etcdbench cluster --members 1\n  etcdbench cluster --etcd-version v3.6.14 --base-port 2379",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			r, err := o.spec.Resolve("")
			if err != nil {
				return usage(err)
			}
			ctx := cmd.Context()
			dir, err := scratch.Make(scratch.Cluster)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, dir.Remove()) }()
			c, err := r.StartCluster(ctx, dir.Path)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, c.Stop()) }()
			fmt.Fprintln(cmd.OutOrStdout(), strings.Join(cluster.Endpoints(c), ","))
			if c.TLS() != nil {
				fmt.Fprintf(cmd.ErrOrStderr(), "clients need --cacert %s\n", filepath.Join(c.DataDir, "tls", "cert.pem"))
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "ready: data in %s; press Ctrl-C to stop and remove the cluster\n", c.DataDir)
			<-ctx.Done()
			return nil
		},
	}
	o.addStart(cmd.Flags())
	return cmd
}
