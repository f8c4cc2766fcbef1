package cluster_test

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/workloads/workloadstest"
)

// The test program stands in for etcdbench's hidden command.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "member" {
		os.Exit(cluster.MemberMain(os.Args[2:], os.Stdin, os.Stderr))
	}
	code := workloadstest.Waiting{M: m}.Run()
	// An etcd inside this process lets go of its peers' connections only when
	// their reads time out, after five seconds.
	err := goleak.Find()
	for deadline := time.Now().Add(20 * time.Second); err != nil && time.Now().Before(deadline); err = goleak.Find() {
		time.Sleep(100 * time.Millisecond)
	}
	if code == 0 && err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}
