package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench/transport/transporttest"
	"github.com/etcdbench/etcdbench/workloads"
)

// anyWorkload returns the arguments of a short run of a random workload against an endpoint,
// under a prefix of the trial's own.
func (t *trial) anyWorkload(endpoint string) (args []string, prefix string) {
	served := slices.DeleteFunc(workloads.All(), func(e workloads.Entry) bool { return e.Storage != workloads.NoLayer })
	workload := pick(t, served)
	prefix = fmt.Sprintf("/stress/%d/", t.Uint64())
	args = []string{
		"run", workload.Name, "--endpoints", endpoint, "--prefix", prefix,
		"--warmup", "0s", "--duration", "2s", "--clients", "16", "--conns", "4",
		"--timeout", "1s", "--drain", "1s", "--seed", fmt.Sprint(t.Uint32()),
	}
	if _, _, err := workload.Configure(map[string]string{"key-space-size": "500"}); err == nil {
		args = append(args, "--key-space-size", "500") // a short population, which is not announced
	}
	if t.IntN(2) == 0 {
		args = append(args, "--rate", fmt.Sprint(10+t.IntN(500)))
	}
	if t.IntN(2) == 0 {
		args = append(args, "--verify")
	}
	return args, prefix
}

// against runs a random workload through a proxy and checks that it ends in time and leaves
// foreign data alone.
func (t *trial) against(endpoint string, how string, more ...string) error {
	args, prefix := t.anyWorkload(endpoint)
	args = append(args, more...)
	t.what = how + ", " + strings.Join(args[1:], " ")
	theirs, err := t.plant(prefix)
	if err != nil {
		return err
	}
	limit, err := t.announced(args)
	if err != nil {
		return err
	}
	c, err := t.start(append(args, "--out", t.dir+"/out")...)
	if err != nil {
		return err
	}
	code := t.finish(c, limit+patience, 0, 1, 2, 3, 5) // 2: the server reports keys under the prefix
	t.lostResults(time.Now(), 0, code)
	return theirs.check()
}

// tryReplies uses a server that sends well-formed replies that etcd does not send.
func tryReplies(t *trial) error {
	share := pick(t, []float64{0.001, 0.02, 0.2, 1})
	m, err := transporttest.NewMangler(t.endpoint, share, t.Uint64())
	if err != nil {
		return err
	}
	defer m.Stop()
	if t.IntN(2) == 0 { // a good start
		m.Activate(false)
		timer := time.AfterFunc(1500*time.Millisecond, func() { m.Activate(true) })
		defer timer.Stop()
	}
	return t.against(m.Address, fmt.Sprintf("%.1f %% of the replies changed", 100*share))
}

// tryBytes changes, drops or holds bytes on the connections.
func tryBytes(t *trial) error {
	faults := pick(t, []byteFaults{
		{flips: 1e-6}, {flips: 1e-4}, {cuts: 1e-3}, {cuts: 0.05}, {holds: 0.01}, {flips: 1e-5, cuts: 1e-3, holds: 1e-3},
	})
	p, err := newByteProxy(t.endpoint, faults, t.Uint64())
	if err != nil {
		return err
	}
	defer p.close()
	return t.against(p.address(), fmt.Sprintf("bytes %+v", faults))
}
