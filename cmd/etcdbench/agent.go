package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/etcdbench/etcdbench/bench/agent"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
)

// joinVariable is the environment variable with the join token, for an agent without a token
// file.
const joinVariable = "ETCDBENCH_JOIN"

// maxToken bounds the join token in bytes.
const maxToken = 1 << 20

// indexVariables are the variables in which schedulers store the index of an agent.
var indexVariables = [...]string{"SLURM_PROCID", "JOB_COMPLETION_INDEX"}

// agentOptions are the options of one agent.
type agentOptions struct {
	agent.AgentOptions
	joinFile          string
	cacert, cert, key string
}

func newAgentCommand() *cobra.Command {
	o := &agentOptions{}
	cmd := &cobra.Command{
		Use:   "agent --join URL",
		Short: "generate a share of a distributed run's load",
		Long: `Joins the coordinator of a distributed run and generates a share of its load. It
exits when the coordinator ends the session. The join token comes from --join-file
or from the variable ` + joinVariable + `.

The coordinator sends no credentials of the cluster under test. An agent reads their
files from the same paths as the coordinator, or from --cacert, --cert and --key, and
the password from the variable ` + runner.PasswordVariable + `.

Exit codes: 0 the last share was completed, 1 it was not, for example after the loss
of another agent, 130 interrupted.`,
		Example: `  etcdbench run --endpoints 10.0.0.1:2379 --agents 2 --coordinator-listen :2389 --join-file join.pem
  etcdbench agent --join https://coordinator:2389 --join-file join.pem
  srun -N 4 etcdbench agent --join https://coordinator:2389 --join-file join.pem`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.complete(cmd.Context(), cmd.InOrStdin(), cmd.Flags().Changed("index")); err != nil {
				return usage(err)
			}
			o.Version = agentVersion(cmd.Context())
			o.Notice = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "agent:", text) }
			return interrupted(agent.Serve(cmd.Context(), o.AgentOptions))
		},
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&o.Endpoint.URLs, "join", nil, "`addresses` at which the coordinator waits for agents")
	fs.StringVar(&o.joinFile, "join-file", "", "`file` with the join token; - reads standard input (default: the variable "+joinVariable+")")
	fs.IntVar(&o.Index, "index", -1, "place among the agents, from 0 (default: SLURM_PROCID, JOB_COMPLETION_INDEX, or a free one)")
	fs.DurationVar(&o.JoinTimeout, "join-timeout", 2*time.Minute, "timeout of connecting to the coordinator")
	fs.StringVar(&o.cacert, "cacert", "", "`file` of the authority that signed the certificates of the cluster under test, on this machine")
	fs.StringVar(&o.cert, "cert", "", "`file` of the client's certificate for the cluster under test, on this machine")
	fs.StringVar(&o.key, "key", "", "`file` of the client's key for the cluster under test, on this machine")
	cmd.AddCommand(newManifestCommand(), newTokenCommand())
	return cmd
}

// standardInput is the file name for standard input.
const standardInput = "-"

// readToken reads the file of the token, which a coordinator that starts at the same time
// may not have written yet.
func (o *agentOptions) readToken(ctx context.Context, stdin io.Reader) ([]byte, error) {
	if o.joinFile == standardInput {
		return io.ReadAll(io.LimitReader(stdin, maxToken))
	}
	for deadline := time.Now().Add(o.JoinTimeout); ; {
		data, err := results.ReadFile(o.joinFile, maxToken)
		if err == nil && len(data) > 0 || !errors.Is(err, fs.ErrNotExist) && err != nil || time.Now().After(deadline) {
			return data, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// complete reads the environment and the files.
func (o *agentOptions) complete(ctx context.Context, stdin io.Reader, indexGiven bool) (err error) {
	if len(o.Endpoint.URLs) == 0 {
		return errors.New("--join is missing: give the address that the coordinator printed")
	}
	if indexGiven && o.Index < 0 {
		return fmt.Errorf("--index must not be negative, but is %d", o.Index)
	}
	for _, name := range indexVariables {
		if value := os.Getenv(name); !indexGiven && o.Index < 0 && value != "" {
			if o.Index, err = strconv.Atoi(value); err != nil || o.Index < 0 {
				return fmt.Errorf("%s is not an index: %q", name, value)
			}
		}
	}
	token := os.Getenv(joinVariable)
	if o.joinFile != "" {
		data, err := o.readToken(ctx, stdin)
		if err != nil {
			return fmt.Errorf("--join-file: %w", err)
		}
		token = string(data)
	}
	if token != "" {
		if o.Endpoint.Credentials, err = agent.ParseToken(token); err != nil {
			return err
		}
	}
	if err := o.Endpoint.Check(); err != nil {
		return fmt.Errorf("--join: %w", err)
	}
	o.Password = os.Getenv(runner.PasswordVariable)
	o.Reach = func(r *runner.Remote) {
		for _, f := range []struct{ from, to *string }{{&o.cacert, &r.CACert}, {&o.cert, &r.Cert}, {&o.key, &r.Key}} {
			if *f.from != "" {
				*f.to = *f.from
			}
		}
	}
	return nil
}
