package workloadstest

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// A Waiting runs more tests of a package at once than there may be CPUs, unless -parallel is given.
// It is for packages whose tests wait for most of their time.
type Waiting struct{ *testing.M }

// Run runs the tests and returns the exit code.
func (w Waiting) Run() int {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", atOnce); err != nil {
			fmt.Fprintln(os.Stderr, "tests in parallel:", err)
			return 1
		}
	}
	return w.M.Run()
}
