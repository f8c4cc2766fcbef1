// Package transporttest provides test doubles that replace etcd or stand in front of it: a
// server that answers at once, a proxy that stops, and a proxy that gives false answers.
package transporttest
