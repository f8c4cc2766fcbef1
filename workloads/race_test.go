//go:build race

package workloads_test

// raceDetector says that pools drop some of what they are given, at random.
const raceDetector = true
