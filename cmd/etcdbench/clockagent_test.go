package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/etcdbench/etcdbench/bench/agent"
)

// clockDrift is by how much a wrong clock gains, in parts per million.
const clockDrift = 200

// gain is how much a wrong clock gains in a time.
func gain(d time.Duration) time.Duration { return d * clockDrift / 1_000_000 }

// clockAgent is the program of an agent with a wrong clock. Its arguments are the coordinator's
// address, the file of the token, the index, and by how much the clock is ahead at first.
func clockAgent() {
	if err := serveClock(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "clockagent:", err)
		os.Exit(exitFailed)
	}
}

func serveClock(ctx context.Context, args []string) error {
	index, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	ahead, err := time.ParseDuration(args[3])
	if err != nil {
		return err
	}
	begin := time.Now()
	o := &agentOptions{joinFile: args[1]}
	o.Endpoint.URLs, o.Index, o.JoinTimeout = args[:1], index, time.Minute
	o.Clock = func() time.Time { return time.Now().Add(ahead + gain(time.Since(begin))) }
	if err := o.complete(ctx, os.Stdin, true); err != nil {
		return err
	}
	o.Version = agentVersion(ctx)
	return agent.Serve(ctx, o.AgentOptions)
}
