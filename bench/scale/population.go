package scale

import (
	"context"
	"sync"
	"time"

	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/workloads"
)

// populate writes the objects that the rung needs in addition to the present ones. Then it
// compacts and defragments the cluster.
func (l *ladder) populate(ctx context.Context, i int, r *results.ScaleRung) error {
	begin := time.Now()
	p := Progress{Rung: i + 1, Rungs: len(l.sizes), Size: l.sizes[i], Activity: populationStage}
	p.Left = l.speed.time((l.objects(i) - l.present) * l.objectSize)
	l.tell(p)
	target := workloads.Target{Conns: l.site.conns, Seed: l.first.Plan.Seed, Patience: time.Minute}
	if err := workloads.Extend(ctx, target, l.population(i), l.present, populated(p, l.tell)); err != nil {
		return err
	}
	r.Added, r.Populated = l.objects(i)-l.present, time.Since(begin)
	l.speed.add(r.Added*l.objectSize, r.Populated)
	l.present = l.objects(i)
	// This removes the history and the free pages of earlier rungs.
	for _, s := range l.maintenance(nil)[:1+len(l.site.conns)] {
		if err := s.do(ctx, l.site, new(results.ScaleEvent)); err != nil {
			return err
		}
	}
	for k, m := range l.site.Members() {
		r.Members = append(r.Members, results.ScaleMember{Name: m.Name, File: l.site.file(k)})
	}
	return nil
}

// populationEvery is the time between two progress reports of a population.
const populationEvery = 5 * time.Second

// populated returns a function that reports the progress of a population, and the remaining
// time at the present speed. The function may be called concurrently.
func populated(p Progress, tell func(p Progress)) func(done, total int64) {
	var mu sync.Mutex
	begin := time.Now()
	last := begin
	return func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now()
		if done >= total || now.Sub(last) < populationEvery {
			return
		}
		last = now
		p.Share = max(p.Share, float64(done)/float64(total)) // concurrent calls may be out of order
		p.Left = time.Duration(float64(now.Sub(begin)) * (1 - p.Share) / p.Share)
		tell(p)
	}
}

// speed is the speed at which objects are written.
type speed struct {
	written int64 // bytes of keys and values
	length  time.Duration
}

// usualSpeed is the speed of a population in bytes per second if none has been measured: that
// of three members and the generator on two CPUs.
const usualSpeed = 25e6

func (s *speed) add(written int64, length time.Duration) {
	s.written, s.length = s.written+written, s.length+length
}

// time returns the time to write that many bytes.
func (s *speed) time(size int64) time.Duration {
	if s.written > 0 && s.length > 0 {
		return time.Duration(float64(size) / float64(s.written) * float64(s.length))
	}
	return time.Duration(float64(size) / usualSpeed * float64(time.Second))
}
