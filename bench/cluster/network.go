package cluster

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/etcdbench/etcdbench/bench/link"
)

// Network describes the network between the members of a cluster that the package starts: the
// peer traffic of every member passes a proxy, with one link direction for each other member.
// Client traffic is not changed.
type Network struct {
	// RTT is the round trip between two members, half of it each way. Jitter is the scatter of the
	// delay of each way, which is never negative.
	RTT    time.Duration `json:"rtt_ns,omitempty" flag:"rtt"`
	Jitter time.Duration `json:"jitter_ns,omitempty" flag:"jitter"`
	// Bandwidth is the bandwidth of each direction, in bytes per second; 0 means no limit.
	Bandwidth int64 `json:"bandwidth,omitempty" flag:"bandwidth"`
	// Zones are the zones of the members, assigned in turn. ZoneRTTs are the round trips between
	// two zones, "a-b=40ms". RTT applies within a zone, and between zones without a round trip of
	// their own.
	Zones    []string `json:"zones,omitempty" flag:"zones"`
	ZoneRTTs []string `json:"zone_rtts,omitempty" flag:"zone-rtt"`
}

// IsZero reports whether the network changes nothing.
func (n Network) IsZero() bool {
	return n.RTT == 0 && n.Jitter == 0 && n.Bandwidth == 0 && len(n.Zones)+len(n.ZoneRTTs) == 0
}

const (
	maxRTT     = 10 * time.Second // longer than any terrestrial round trip
	maxMembers = 5
)

// Validate returns an error that names the flag if the network is invalid.
func (n Network) Validate() error {
	switch {
	case n.RTT < 0 || n.RTT > maxRTT:
		return fmt.Errorf("--rtt must be between 0 and %v, not %v", maxRTT, n.RTT)
	case n.Bandwidth < 0:
		return errors.New("--bandwidth must not be negative")
	case len(n.ZoneRTTs) > 0 && len(n.Zones) == 0:
		return errors.New("--zone-rtt needs --zones")
	}
	if _, err := n.zoneRTTs(); err != nil {
		return err
	}
	if longest := n.Longest(maxMembers); n.Jitter < 0 || 2*n.Jitter > longest {
		return fmt.Errorf("--jitter must be between 0 and half the longest round trip of %v, not %v", longest, n.Jitter)
	}
	return nil
}

// zoneRTTs returns the round trips by pair of zones, in both orders.
func (n Network) zoneRTTs() (map[[2]string]time.Duration, error) {
	rtts := map[[2]string]time.Duration{}
	for _, text := range n.ZoneRTTs {
		pair, value, ok := strings.Cut(text, "=")
		a, b, isPair := strings.Cut(pair, "-")
		d, err := time.ParseDuration(value)
		if !ok || !isPair || err != nil || d < 0 || d > maxRTT {
			return nil, fmt.Errorf("--zone-rtt %q is not ZONE-ZONE=TIME, such as a-b=40ms", text)
		}
		for _, zone := range []string{a, b} {
			if !slices.Contains(n.Zones, zone) {
				return nil, fmt.Errorf("--zone-rtt %q: no member is in zone %q: use one of --zones %s", text, zone, strings.Join(n.Zones, ", "))
			}
		}
		rtts[[2]string{a, b}], rtts[[2]string{b, a}] = d, d
	}
	return rtts, nil
}

// between returns the round trip between two members.
func (n Network) between(i, j int) time.Duration {
	if len(n.Zones) == 0 {
		return n.RTT
	}
	rtts, err := n.zoneRTTs()
	d, ok := rtts[[2]string{n.Zones[i%len(n.Zones)], n.Zones[j%len(n.Zones)]}]
	if err != nil || !ok {
		return n.RTT
	}
	return d
}

// Longest returns the longest round trip between any two of n members.
func (n Network) Longest(members int) time.Duration {
	longest := time.Duration(0)
	for i := range members {
		for j := range i {
			longest = max(longest, n.between(i, j))
		}
	}
	return longest
}

// settings returns the network's settings for a result.
func (n Network) settings() map[string]string {
	s := map[string]string{"network:rtt": n.RTT.String()}
	for name, value := range map[string]string{
		"network:jitter":    cmp.Or(n.Jitter, 0).String(),
		"network:bandwidth": fmt.Sprint(n.Bandwidth),
		"network:zones":     strings.Join(n.Zones, ","),
		"network:zone-rtts": strings.Join(n.ZoneRTTs, ","),
	} {
		if value != "" && value != "0" && value != "0s" {
			s[name] = value
		}
	}
	return s
}

// links are the directions between members, and the proxies in front of the members.
type links struct {
	network Network
	// ways[i][j] leads from member i to member j; ways[i][i] carries traffic to i from unknown
	// senders.
	ways    [][]*link.Direction
	proxies []*link.Proxy
	// addresses are the addresses of the proxies; nil until all proxies have started.
	addresses atomic.Pointer[[]string]

	mu      sync.Mutex
	changes []*linkChange
}

// linkChange is the effect of a disturbance on the ways between a member and a peer, or all
// peers (-1).
type linkChange struct {
	member, peer int
	ways         link.Ways
	conditions   link.Conditions
}

// holds reports whether the change applies to the way from member i to member j. Traffic from
// an unknown sender (i equals j) changes with the ways from all peers.
func (c *linkChange) holds(i, j int) bool {
	with := func(other int) bool { return c.peer < 0 || c.peer == other }
	if i == j {
		return i == c.member && c.peer < 0 && c.ways.In && c.ways.Out
	}
	return i == c.member && with(j) && c.ways.Out || j == c.member && with(i) && c.ways.In
}

// newLinks starts the proxies. The members listen at the given addresses and are reached at
// the addresses of the proxies.
func newLinks(n Network, members []string) (*links, error) {
	l := &links{network: n, ways: make([][]*link.Direction, len(members))}
	for i := range members {
		for j := range members {
			l.ways[i] = append(l.ways[i], link.NewDirection(l.conditions(i, j)))
		}
	}
	for i, target := range members {
		p, err := link.Listen(link.Options{
			Target: target, Up: l.ways[i][i], Down: l.ways[i][i],
			Identify: func(sent []byte) (up, down *link.Direction, ok bool) {
				from := l.sender(sent)
				if from < 0 || from == i {
					return nil, nil, false
				}
				return l.ways[from][i], l.ways[i][from], true
			},
		})
		if err != nil {
			l.close()
			return nil, err
		}
		l.proxies = append(l.proxies, p)
	}
	var addresses []string
	for _, p := range l.proxies {
		addresses = append(addresses, p.Address)
	}
	l.addresses.Store(&addresses)
	return l, nil
}

// conditions returns the present conditions of a way.
func (l *links) conditions(i, j int) link.Conditions {
	rtt := l.network.between(i, j)
	if i == j {
		rtt = l.network.Longest(len(l.ways))
	}
	sum := link.Conditions{Delay: rtt / 2, Jitter: l.network.Jitter, Bandwidth: l.network.Bandwidth}
	for _, c := range l.changes {
		if c.holds(i, j) {
			sum = sum.With(c.conditions)
		}
	}
	return sum
}

// sender returns the member that sent a request, or -1 if it is unknown. Peers send their own
// addresses, which are those of their proxies, with every request for Raft.
func (l *links) sender(sent []byte) int {
	_, rest, ok := bytes.Cut(sent, []byte("X-Peerurls: "))
	line, _, whole := bytes.Cut(rest, []byte("\r\n"))
	addresses := l.addresses.Load()
	if !ok || !whole || addresses == nil {
		return -1
	}
	first, _, _ := strings.Cut(string(line), ",")
	return slices.Index(*addresses, strings.TrimPrefix(first, "http://"))
}

// change changes ways until undo is called.
func (l *links) change(c linkChange) (undo func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = append(l.changes, &c)
	l.apply()
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.changes = slices.DeleteFunc(l.changes, func(other *linkChange) bool { return other == &c })
		l.apply()
	}
}

// apply sets the present conditions of every way.
func (l *links) apply() {
	for i := range l.ways {
		for j, way := range l.ways[i] {
			way.Set(l.conditions(i, j))
		}
	}
}

func (l *links) close() {
	if l == nil {
		return
	}
	for _, p := range l.proxies {
		p.Close()
	}
}
