package workloads

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestCause(t *testing.T) {
	for text, want := range map[string]string{
		`connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`: "connection refused",
		"etcdserver: request timed out": "request timed out",
		"no leader":                     "no leader",
		"":                              "",
	} {
		if got := cause(status.Error(codes.Unavailable, text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
