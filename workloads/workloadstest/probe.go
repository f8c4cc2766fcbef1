package workloadstest

import (
	"bufio"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/results"
)

// A Probe is a workload that reads the servers' counts when the load begins and when
// it has ended.
type Probe struct {
	bench.Workload
	// Endpoints are the endpoints of the members.
	Endpoints []string
	// Attached, where set, is called when everything is set up.
	Attached func()
	// Before and After are the counts of all members, by method.
	Before, After map[string]uint64
	// Began and Ended are when the counts were read.
	Began, Ended time.Time
}

// Open implements [bench.Opener].
func (p *Probe) Open(ctx context.Context, progress func(done, total int)) error {
	return p.Workload.(bench.Opener).Open(ctx, progress)
}

// KindOf implements [bench.Chooser].
func (p *Probe) KindOf(phase int, n uint64) int {
	return p.Workload.(bench.Chooser).KindOf(phase, n)
}

// Background implements [bench.Backgrounder].
func (p *Probe) Background(ctx context.Context) error {
	return p.Workload.(bench.Backgrounder).Background(ctx)
}

// Verify implements [bench.Verifier].
func (p *Probe) Verify(ctx context.Context) (*results.Proof, error) {
	return p.Workload.(bench.Verifier).Verify(ctx)
}

// Attach implements [bench.Receiver].
func (p *Probe) Attach(ctx context.Context, s *bench.Sink) (err error) {
	if r, ok := p.Workload.(bench.Receiver); ok {
		err = r.Attach(ctx, s)
	}
	if p.Attached != nil {
		p.Attached()
	}
	p.Before, p.Began = serverCounts(p.Endpoints), time.Now()
	return err
}

// Detach implements [bench.Receiver].
func (p *Probe) Detach(ctx context.Context) {
	p.After, p.Ended = serverCounts(p.Endpoints), time.Now()
	if r, ok := p.Workload.(bench.Receiver); ok {
		r.Detach(ctx)
	}
}

// serverCounts adds up what the members have handled, by method: requests of
// unary methods, messages of streams, and streams.
func serverCounts(endpoints []string) map[string]uint64 {
	sums := map[string]uint64{}
	for _, ep := range endpoints {
		r, err := http.Get("http://" + ep + "/metrics")
		if err != nil {
			continue
		}
		scanner := bufio.NewScanner(r.Body)
		for scanner.Scan() {
			line := scanner.Text()
			unary := strings.HasPrefix(line, "grpc_server_handled_total{") && strings.Contains(line, `grpc_type="unary"`)
			stream := strings.HasPrefix(line, "grpc_server_msg_received_total{") && strings.Contains(line, `grpc_type="bidi_stream"`)
			started := strings.HasPrefix(line, "grpc_server_started_total{") && strings.Contains(line, `grpc_type="bidi_stream"`)
			answers := strings.HasPrefix(line, "grpc_server_started_total{") && strings.Contains(line, `grpc_type="server_stream"`)
			if !unary && !stream && !started && !answers {
				continue
			}
			_, rest, _ := strings.Cut(line, `grpc_method="`)
			method, _, _ := strings.Cut(rest, `"`)
			if started {
				method += " streams"
			}
			n, _ := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			sums[method] += uint64(n)
		}
		_ = r.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	return sums
}
