//go:build !race

package workloadstest

// atOnce is the number of tests that run at once.
const atOnce = "6"
