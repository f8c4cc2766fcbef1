package profiles

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Source is a program that can be profiled.
type Source interface {
	Name() string
	// Take returns one capture. Those that last (cpu, trace) take the given time,
	// whole seconds of it, and may be lost when ctx ends before.
	Take(ctx context.Context, kind string, length time.Duration) ([]byte, error)
}

// maxCapture and maxTrace bound what a source may answer, in bytes. A profile of a busy
// member has some hundred KiB, a second's trace some tens of MiB.
const (
	maxCapture = 16 << 20
	maxTrace   = 256 << 20
)

// answerTime is the time that a source may take in addition to the length of a capture.
const answerTime = 5 * time.Second

// Server is a program that serves net/http/pprof, such as etcd with
// --enable-pprof.
type Server struct {
	// Member is the name of its captures, Address where it serves: a URL without
	// path.
	Member, Address string
	Client          *http.Client
}

// Name implements [Source].
func (s Server) Name() string { return s.Member }

// Take implements [Source].
func (s Server) Take(ctx context.Context, name string, length time.Duration) ([]byte, error) {
	k, ok := findKind(name)
	if !ok {
		return nil, CheckKinds([]string{name})
	}
	ctx, cancel := context.WithTimeout(ctx, length+answerTime)
	defer cancel()
	address := strings.TrimSuffix(s.Address, "/") + "/debug/pprof/" + k.path
	if length > 0 {
		address += "?seconds=" + strconv.Itoa(int(length.Seconds()))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		var inURL *url.Error // which repeats the address
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		return nil, fmt.Errorf("pprof of %s: %w", s.Address, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return nil, fmt.Errorf("pprof of %s: not available: "+
			"start etcd with --enable-pprof, or give the addresses with --pprof-endpoints", s.Address)
	default:
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return nil, fmt.Errorf("pprof of %s: %s: %s", s.Address, resp.Status, strings.Join(strings.Fields(string(why)), " "))
	}
	most := maxCapture
	if name == Trace {
		most = maxTrace
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("pprof of %s: %w", s.Address, err)
	case len(data) > most:
		return nil, fmt.Errorf("pprof of %s: more than %d MiB", s.Address, most>>20)
	}
	return data, nil
}

// Self is this process: the generator.
type Self struct{}

// Name implements [Source].
func (Self) Name() string { return results.GeneratorSource }

// Take implements [Source].
func (Self) Take(ctx context.Context, name string, length time.Duration) ([]byte, error) {
	var b bytes.Buffer
	switch name {
	case CPU:
		if err := pprof.StartCPUProfile(&b); err != nil {
			return nil, err
		}
		_ = wait(ctx, length) // what was sampled until then is whole
		pprof.StopCPUProfile()
	case Trace:
		if err := trace.Start(&b); err != nil {
			return nil, err
		}
		defer trace.Stop()
		if err := wait(ctx, length); err != nil {
			return nil, err
		}
		trace.Stop()
	default:
		p := pprof.Lookup(name)
		if p == nil {
			return nil, CheckKinds([]string{name})
		}
		if err := p.WriteTo(&b, 0); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
