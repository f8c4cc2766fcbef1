// Package transporttest has what tests and benchmarks put in etcd's place or in
// its way: a server that answers at once, and a proxy that stops.
package transporttest
