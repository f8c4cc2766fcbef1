package cluster

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc"
)

// A Footprint is the size of a member's database, and whether the member has raised an alarm.
type Footprint struct {
	Endpoint string
	// Size is the size of the database file, in bytes.
	Size   int64
	Alarms []string
}

// footprintTime bounds the request to each member.
const footprintTime = time.Second

// Footprints returns the footprints of the members that answer. conns holds one connection per
// member.
func Footprints(ctx context.Context, c Cluster, conns []grpc.ClientConnInterface) (list []Footprint) {
	for i, m := range c.Members() {
		ask, cancel := context.WithTimeout(ctx, footprintTime)
		s, err := memberStatus(ask, conns[i])
		cancel()
		if err == nil {
			list = append(list, Footprint{Endpoint: m.Endpoint, Size: s.DbSize, Alarms: alarms(s.Errors)})
		}
	}
	return list
}

// alarms returns the alarms among the errors of a member's status.
func alarms(errors []string) (list []string) {
	for _, text := range errors {
		if strings.Contains(text, "alarm") {
			list = append(list, text)
		}
	}
	return list
}
