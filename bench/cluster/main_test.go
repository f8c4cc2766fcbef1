package cluster_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench/cluster"
)

// The test program stands in for etcdbench's hidden command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	goleak.VerifyTestMain(m,
		// The in-process etcd leaves these behind; none is ours.
		goleak.IgnoreTopFunction("go.etcd.io/etcd/server/v3/lease.(*lessor).runLoop"),
		goleak.IgnoreTopFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"),
	)
}
