package runner

import (
	"slices"
	"testing"

	"github.com/etcdbench/etcdbench/bench/transport"
	"github.com/etcdbench/etcdbench/results"
)

// Where the connections cannot be spread evenly, the leader has as many of them whichever
// member leads and in whichever order the endpoints are given: two sides of a gate differ
// in neither.
func TestLeaderShareDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{results.ClusterRemote, results.ClusterProcess} {
		for _, c := range []struct{ members, conns, leader int }{{3, 8, 3}, {3, 4, 2}, {3, 1, 1}, {3, 9, 3}, {5, 8, 2}, {5, 13, 3}} {
			for leads := range c.members {
				for first := range c.members {
					s := session{info: results.Cluster{Kind: kind}}
					var endpoints []string
					for i := range c.members {
						name := string(rune('a' + i))
						s.info.Members = append(s.info.Members, results.Member{ID: name, Endpoint: name + ":2379", Leader: i == leads})
						endpoints = append(endpoints, name+":2379")
					}
					endpoints = slices.Concat(endpoints[first:], endpoints[:first])
					s.countConns(transport.Options{Conns: c.conns, Endpoints: orderEndpoints(s.info, endpoints)})
					if got := s.info.Members[leads].Conns; got != c.leader {
						t.Errorf("%s, member %d leads, endpoints %v: it has %d of %d connections, want %d", kind, leads, endpoints, got, c.conns, c.leader)
					}
				}
			}
		}
	}
}

// The followers of a running cluster are taken in an order of their own, too.
func TestOrderOfFollowers(t *testing.T) {
	info := results.Cluster{Kind: results.ClusterRemote, Members: []results.Member{
		{ID: "2", Endpoint: "b:1"}, {ID: "3", Endpoint: "a:1", Leader: true}, {ID: "1", Endpoint: "c:1"},
	}}
	for _, given := range [][]string{{"a:1", "b:1", "c:1"}, {"b:1", "c:1", "a:1"}, {"c:1", "b:1", "a:1"}} {
		if got := orderEndpoints(info, given); !slices.Equal(got, []string{"a:1", "c:1", "b:1"}) {
			t.Errorf("%v became %v", given, got)
		}
	}
}
