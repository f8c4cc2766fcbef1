package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench/agent/manifest"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/scale"
)

func newManifestCommand() *cobra.Command {
	o := manifest.Options{}
	cmd := &cobra.Command{
		Use:   "manifest --agents N --image IMAGE -- COMMAND [ARGUMENTS]",
		Short: "print Kubernetes Jobs of a coordinator and its agents",
		Long: `Prints a Job of a coordinator with a headless Service, and an Indexed Job of
agents, for kubectl apply. Give the coordinator's command and its arguments after --:
run, gate, qualify, capacity or tune. Create the Secret with the join token first; a
comment at the top of the output shows the command.

With --secret, the keys of that Secret are files in ` + manifest.CredentialsDir + ` of every pod,
and its key "password" is the password of --user. The report is in the coordinator's
log. --claim keeps the results in a PersistentVolumeClaim.`,
		Example: `  etcdbench agent token --host etcdbench-coordinator |
    kubectl create secret generic etcdbench-join --from-file=token=/dev/stdin
  etcdbench agent manifest --agents 20 --image registry.example/etcdbench:v1 \
    -- run put --endpoints http://etcd:2379 --rate 60000 --clients 4000 | kubectl apply -f -
  kubectl logs --follow job/etcdbench-coordinator`,
		Args: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n > 0 || n < 0 && len(args) > 0 {
				return usage(errors.New("give the coordinator's command after --"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.JoinSecret == "" {
				o.JoinSecret = o.Name + "-join"
			}
			o.Command = args
			var b bytes.Buffer
			if err := manifest.Write(&b, o); err != nil {
				return usage(err)
			}
			if err := checkCommand(cmd, args, o.Agents); err != nil {
				return usage(err)
			}
			_, err := b.WriteTo(cmd.OutOrStdout())
			return err
		},
	}
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.IntVar(&o.Agents, "agents", 0, "number of agents")
	fs.StringVar(&o.Image, "image", "", "container `image` whose entry point is etcdbench")
	fs.StringVar(&o.Name, "name", "etcdbench", "first part of the objects' names")
	fs.StringVar(&o.Namespace, "namespace", "", "namespace of the objects (default: that of kubectl)")
	fs.StringVar(&o.JoinSecret, "join-secret", "", "`name` of the Secret whose key \"token\" is the join token (default: NAME-join)")
	fs.StringVar(&o.Secret, "secret", "", "`name` of a Secret with credentials of the cluster under test")
	fs.StringVar(&o.Claim, "claim", "", "`name` of a PersistentVolumeClaim for the results (default: removed with the pod)")
	fs.StringVar(&o.CPU, "cpu", "1", "CPU that each pod requests, as a `quantity`")
	fs.StringVar(&o.Memory, "memory", "1Gi", "memory that each pod requests and may use, as a `quantity`")
	fs.DurationVar(&o.JoinTimeout, "join-timeout", 10*time.Minute, "longest wait of coordinator and agents for each other")
	return cmd
}

// ownFlags are the flags that the manifest sets for the coordinator.
var ownFlags = [...]string{"agents", "coordinator-listen", "coordination-endpoints", "join-file", "join-timeout"}

// otherCommands are the commands for which a manifest can be made.
const otherCommands = "the command after -- must be run, gate, qualify, capacity or tune"

// checkCommand checks that the coordinator will accept its command line.
func checkCommand(cmd *cobra.Command, args []string, agents int) error {
	called, rest, err := newRootCommand().Find(args)
	switch {
	case err != nil:
		return err
	case called.Name() == scale.Kind:
		return fmt.Errorf("scale stops and replaces members of a cluster that it starts, which agents in other pods cannot reach: %s",
			otherCommands)
	case called.Flags().Lookup(ownFlags[0]) == nil:
		return fmt.Errorf("%q does not support agents: %s", args[0], otherCommands)
	}
	if err := called.ParseFlags(rest); err != nil {
		return err
	}
	for _, name := range ownFlags {
		if called.Flags().Changed(name) {
			return fmt.Errorf("--%s must be before --", name)
		}
	}
	var errs bytes.Buffer
	// The files of credentials exist only in the pods.
	own := []string{args[0], fmt.Sprintf("--agents=%d", agents), "--dry-run"}
	line := slices.Concat(own, args[1:], []string{"--cacert=", "--cert=", "--key="})
	if code := execute(cmd.Context(), line, nil, io.Discard, &errs); code != 0 {
		return errors.New(strings.TrimPrefix(strings.TrimSpace(errs.String()), "etcdbench: "))
	}
	return nil
}

// hostName reports whether a certificate can be made for the name or address.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?$`)

func newTokenCommand() *cobra.Command {
	var hosts []string
	cmd := &cobra.Command{
		Use:   "token --host HOSTS",
		Short: "print a join token for a coordinator that is started later",
		Long: `Prints a new join token: the PEM of a certificate, its key and its authority. The
coordinator, at one of the hosts, reads the token from the variable ` + joinVariable + `.
Agents read it from that variable or from --join-file. The token is a secret: anyone who
has it can join.`,
		Example: "  etcdbench agent token --host etcdbench-coordinator > join.pem",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if len(hosts) == 0 {
				return usage(errors.New("--host is missing: name the host at which agents will reach the coordinator"))
			}
			for _, h := range hosts {
				if !hostName.MatchString(h) {
					return usage(fmt.Errorf("--host: %q is neither a host name nor an address", h))
				}
			}
			token, err := cluster.NewCredentials(hosts...)
			if err == nil {
				_, err = cmd.OutOrStdout().Write(token)
			}
			return err
		},
	}
	cmd.Flags().StringSliceVar(&hosts, "host", nil, "`names` and addresses of the coordinator, separated by commas")
	return cmd
}
