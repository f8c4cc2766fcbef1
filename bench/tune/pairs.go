package tune

import (
	"fmt"
	"slices"
	"time"

	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/results"
)

// Candidate is one choice of settings.
type Candidate struct {
	Name     string
	Settings []results.Setting
	Default  bool
	// Heartbeat and Election are the pair, where the settings are one.
	Heartbeat, Election time.Duration
}

// etcd's own defaults, and the longest election timeout that it accepts.
const (
	DefaultHeartbeat = cluster.DefaultHeartbeat
	DefaultElection  = cluster.DefaultElection
	maxElection      = 50 * time.Second
	// leastBase is the base of the grid when round trips are shorter.
	leastBase = 20 * time.Millisecond
)

// NewPair returns the candidate with a heartbeat interval and an election timeout. It returns
// an error if etcd would reject the pair.
func NewPair(heartbeat, election time.Duration) (Candidate, error) {
	switch {
	case heartbeat < time.Millisecond || heartbeat%time.Millisecond != 0 || election%time.Millisecond != 0:
		return Candidate{}, fmt.Errorf("a heartbeat interval of %v and an election timeout of %v are not whole milliseconds", heartbeat, election)
	case 5*heartbeat > election:
		return Candidate{}, fmt.Errorf("an election timeout of %v is less than five heartbeat intervals of %v", election, heartbeat)
	case election > maxElection:
		return Candidate{}, fmt.Errorf("an election timeout of %v is above %v", election, maxElection)
	}
	return Candidate{
		Name: fmt.Sprintf("%v/%v", heartbeat, election), Heartbeat: heartbeat, Election: election,
		Default: heartbeat == DefaultHeartbeat && election == DefaultElection,
		Settings: []results.Setting{
			{Name: "heartbeat-interval", Value: fmt.Sprint(heartbeat.Milliseconds())},
			{Name: "election-timeout", Value: fmt.Sprint(election.Milliseconds())},
		},
	}, nil
}

// Pairs is a grid around the longest round trip between two members, with etcd's
// defaults first. Pairs that etcd refuses are left out.
func Pairs(rtt time.Duration, effort experiment.Effort) []Candidate {
	heartbeats, elections := []float64{0.5, 1, 1.5}, []float64{5, 10, 20}
	switch effort {
	case experiment.Quick:
		heartbeats, elections = []float64{0.5, 1}, []float64{5, 10}
	case experiment.Thorough:
		heartbeats, elections = []float64{0.25, 0.5, 1, 1.5}, []float64{5, 7, 10, 15, 20, 30}
	}
	base := max(rtt, leastBase)
	times := func(factor float64) time.Duration {
		return max(time.Millisecond, time.Duration(factor*float64(base)).Round(time.Millisecond))
	}
	var hs, es []time.Duration
	for _, f := range heartbeats {
		hs = append(hs, times(f))
	}
	for _, f := range elections {
		es = append(es, times(f))
	}
	list := Grid(hs, es)
	if effort == experiment.Quick { // the diagonal: each election timeout with one heartbeat interval
		list = slices.DeleteFunc(list, func(c Candidate) bool { return c.Election != 10*c.Heartbeat })
	}
	first, _ := NewPair(DefaultHeartbeat, DefaultElection) // which is one that etcd accepts
	return append([]Candidate{first}, slices.DeleteFunc(list, func(c Candidate) bool { return c.Default })...)
}

// Grid returns all combinations of the two lists that etcd accepts.
func Grid(heartbeats, elections []time.Duration) (list []Candidate) {
	for _, h := range heartbeats {
		for _, e := range elections {
			if c, err := NewPair(h, e); err == nil {
				list = append(list, c)
			}
		}
	}
	return list
}

// Dimension is another setting that can be tuned.
type Dimension struct {
	Name, Flag string // the command line's, and etcd's
	// Values are tried unless others are given; the first is etcd's default.
	Values []string
}

// Dimensions returns the dimensions that can be tuned.
func Dimensions() []Dimension {
	return []Dimension{
		{"snapshot-count", "snapshot-count", []string{"10000", "1000", "100000"}},
		{"backend-batch-interval", "backend-batch-interval", []string{"100ms", "10ms", "500ms"}},
		{"backend-batch-limit", "backend-batch-limit", []string{"10000", "100", "1000"}},
		{"quota", "quota-backend-bytes", []string{"2147483648", "4294967296", "8589934592"}},
	}
}

// Candidates returns the candidates of a dimension, for the given values or its own.
func (d Dimension) Candidates(values []string) (list []Candidate) {
	if len(values) == 0 {
		values = d.Values
	}
	if !slices.Contains(values, d.Values[0]) {
		values = append([]string{d.Values[0]}, values...)
	}
	for _, v := range values {
		list = append(list, Candidate{Name: v, Default: v == d.Values[0], Settings: []results.Setting{{Name: d.Flag, Value: v}}})
	}
	return list
}

func atMost(d time.Duration) string {
	if d == 0 {
		return "an unknown time"
	}
	return d.String() + " at most"
}

// Model is the pair that etcd's rules give for a round trip and a disk, without
// anything having been tried: the defaults wherever the rules allow them.
func Model(rtt, fsync time.Duration) (Candidate, []string) {
	heartbeat, election := DefaultHeartbeat, DefaultElection
	reasons := []string{"not measured: failover, because etcdbench injects no faults into a running cluster"}
	if rtt > DefaultHeartbeat {
		heartbeat = rtt.Round(10 * time.Millisecond)
		reasons = append(reasons, fmt.Sprintf("a heartbeat interval of about the longest round trip, %v", rtt))
	}
	if least := max(10*rtt, 10*heartbeat, 10*fsync); least > election {
		election = min(least.Round(100*time.Millisecond), maxElection)
		reasons = append(reasons, fmt.Sprintf(
			"an election timeout of ten times the longest of round trip (%v), heartbeat interval and fsync (p99 %v)", rtt, fsync))
	}
	if heartbeat == DefaultHeartbeat && election == DefaultElection {
		reasons = append(reasons, fmt.Sprintf(
			"the defaults meet etcd's rules: round trips take %s, the p99 of an fsync is %s", atMost(rtt), atMost(fsync)))
	}
	c, err := NewPair(heartbeat, election)
	if err != nil {
		c, _ = NewPair(election/10, election)
	}
	return c, reasons
}
