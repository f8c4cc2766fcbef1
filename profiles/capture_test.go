package profiles_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/etcdbench/etcdbench/profiles"
	"github.com/etcdbench/etcdbench/results"
)

// busySource is a program that, as Go's programs, can be profiled once at a time. After a
// capture that its client gave up, it goes on for a moment.
type busySource struct {
	mu   sync.Mutex
	busy map[string]bool
}

func (*busySource) Name() string { return "m1" }

func (s *busySource) Take(ctx context.Context, kind string, length time.Duration) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if length > 0 && s.busy[kind] {
		return nil, errors.New("500: Could not enable CPU profiling: cpu profiling already in use")
	}
	s.busy[kind] = length > 0
	s.mu.Unlock()
	var err error
	select {
	case <-time.After(length + 5*time.Millisecond): // a request takes its time, too
	case <-ctx.Done():
		err = ctx.Err()
	}
	free := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.busy[kind] = false
	}
	if err != nil {
		time.AfterFunc(100*time.Millisecond, free)
	} else {
		free()
	}
	s.mu.Lock()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = synthetic(map[string]int64{"main": int64(length)}).Write(&b)
	return b.Bytes(), err
}

// Each measured phase has its profile, although the one before it is still being taken
// when it begins.
func TestProfilesOfSeveralPhases(t *testing.T) {
	for name, phases := range map[string][]results.PlanPhase{
		"that end at a time": {
			{Name: "a", Duration: 3 * time.Second}, {Name: "b", Duration: 12500 * time.Millisecond}, {Name: "c", Duration: 4 * time.Second},
		},
		"that end after a number of operations": {{Name: "a", Total: 1}, {Name: "b", Total: 1}, {Name: "c", Total: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := &busySource{busy: map[string]bool{}}
				c := profiles.NewCapture(profiles.Options{
					RunDir: t.TempDir(), Sources: []profiles.Source{source}, Kinds: []string{profiles.CPU, profiles.Trace},
				})
				run := &results.Run{Plan: results.Plan{Phases: phases}}
				if err := c.Start(run); err != nil {
					t.Fatal(err)
				}
				at, want := time.Duration(0), map[string]bool{}
				for _, ph := range phases {
					c.Phase(ph, at)
					length := ph.Duration
					if length == 0 {
						length = 5 * time.Second
					}
					time.Sleep(length)
					at += length
					want[ph.Name] = true
				}
				if err := c.Finish(run); err != nil {
					t.Fatal(err)
				}
				taken := map[string]time.Duration{}
				for _, p := range run.Profiles {
					if p.Missing != "" {
						t.Errorf("%s of %s in %s: %s", p.Kind, p.Source, p.Phase, p.Missing)
					}
					if p.Kind == profiles.CPU && p.Source == "m1" {
						taken[p.Phase] = p.Length
					}
				}
				for ph := range want {
					if taken[ph] < 2*time.Second {
						t.Errorf("of phase %s, %v were profiled; want most of it", ph, taken[ph])
					}
				}
			})
		})
	}
}
