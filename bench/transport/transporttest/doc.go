// Package transporttest has what tests and benchmarks put in etcd's place or in
// its way: a server that answers at once, a proxy that stops, and one that lies.
package transporttest
