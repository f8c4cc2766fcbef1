//go:build race

package workloadstest

// atOnce is the number of tests that run at once under the race detector, which needs several times the CPU
// time.
const atOnce = "3"
