package profiles

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/etcdbench/etcdbench/results"
)

// Dir is the directory of the captures within a run's.
const Dir = "profiles"

const (
	// partLength is the length of the parts of a CPU profile: if the run ends early, at most one part
	// is lost. The parts are shorter in phases that end after a number of operations.
	partLength      = 10 * time.Second
	shortPartLength = 2 * time.Second
	// graceTime is how much later than its phase a part may end.
	graceTime = 300 * time.Millisecond

	traceLength = time.Second

	// inUsePause is the pause before a program that is already being profiled is asked again.
	inUsePause = 200 * time.Millisecond

	anomalyLength = 2 * time.Second
	maxAnomalies  = 3
	leastSamples  = 100 // of fewer, a second's p99 is its slowest operation
)

// Options select what to capture.
type Options struct {
	// RunDir is the run's directory; captures go into its Dir.
	RunDir  string
	Sources []Source
	// Kinds are taken over each measured phase.
	Kinds []string
	// Anomaly, when it is above 0, is the p99 of a second above which a short CPU
	// profile and the goroutines are captured, a few times a run.
	Anomaly time.Duration
}

// Capture is an observer of a run that profiles its sources. Each capture is written at once;
// profiles are made of the captures at the end of the run.
type Capture struct {
	Options
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
	// slots, one for each source and kind that lasts, are held while such a capture is
	// being taken: a program can be profiled once at a time.
	slots map[string]chan struct{}
	// fraction is the previous fraction of the mutex profile.
	fraction int

	origin time.Time // of the run's clock
	// phase is the present phase, and end ends its captures.
	phase results.PlanPhase
	end   func()

	mu        sync.Mutex
	shots     []shot
	seconds   []second
	anomalies int
	anomaly   bool // one is being captured
}

// shot is one capture, or a part of one, as it was taken.
type shot struct {
	source, kind, phase string
	anomaly             int
	role                role
	from, to            time.Duration
	file                string
	err                 error
}

// role is the purpose of a shot.
type role string

const (
	rolePart  role = "part"
	roleBegin role = "begin"
	roleEnd   role = "end"
)

// second has the operations that were completed in one interval.
type second struct {
	start, length time.Duration
	completed     uint64
}

// NewCapture returns the observer. Nothing is started before the first measured
// phase.
func NewCapture(o Options) *Capture { return &Capture{Options: o} }

// Start implements bench.Observer.
func (c *Capture) Start(*results.Run) error {
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.fraction = -1
	c.slots = map[string]chan struct{}{}
	for _, s := range c.Sources {
		for _, k := range []string{CPU, Trace} {
			c.slots[slotName(s, k)] = make(chan struct{}, 1)
		}
	}
	if slices.Contains(c.Kinds, Mutex) {
		c.fraction = runtime.SetMutexProfileFraction(5) // as etcd has it
	}
	if err := os.MkdirAll(filepath.Join(c.RunDir, Dir), 0o755); err != nil {
		return fmt.Errorf("make directory of profiles: %w", err)
	}
	return nil
}

// Phase implements bench.PhaseObserver.
func (c *Capture) Phase(ph results.PlanPhase, start time.Duration) {
	if c.origin.IsZero() {
		c.origin = time.Now().Add(-start)
	}
	if c.end != nil {
		c.end()
		c.end = nil
	}
	c.phase = ph
	if !ph.Warmup {
		c.end = c.begin(ph)
	}
}

func (c *Capture) now() time.Duration { return time.Since(c.origin) }

// begin starts all captures of a phase, and returns the function that ends them.
func (c *Capture) begin(ph results.PlanPhase) (end func()) {
	ctx, cancel := context.WithCancel(c.ctx)
	var moments []string
	for _, k := range c.Kinds {
		switch k {
		case CPU:
			c.each(func(s Source) { c.parts(ctx, s, ph) })
		case Trace:
			c.each(func(s Source) {
				if release := c.hold(ctx, s, Trace); release != nil {
					defer release()
					c.take(ctx, s, shot{kind: Trace, phase: ph.Name, role: rolePart}, traceLength)
				}
			})
		case Goroutine:
			c.each(func(s Source) { c.goroutines(ctx, s, ph) })
		default:
			moments = append(moments, k)
		}
	}
	snapshots := func(r role) {
		c.each(func(s Source) {
			for _, k := range moments {
				c.take(c.ctx, s, shot{kind: k, phase: ph.Name, role: r}, 0)
			}
		})
	}
	snapshots(roleBegin)
	return func() {
		snapshots(roleEnd)
		time.AfterFunc(2*graceTime, cancel)
	}
}

func (c *Capture) each(do func(s Source)) {
	for _, s := range c.Sources {
		c.work.Go(func() { do(s) })
	}
}

func slotName(s Source, kind string) string { return s.Name() + "\n" + kind }

// hold waits until no other phase takes the kind of the source. The last part of a phase
// ends when the next phase has begun. It returns nil when ctx ended first.
func (c *Capture) hold(ctx context.Context, s Source, kind string) (release func()) {
	slot := c.slots[slotName(s, kind)]
	select {
	case slot <- struct{}{}:
		return func() { <-slot }
	case <-ctx.Done():
		return nil
	}
}

// parts takes one part of a CPU profile after the other until the phase ends.
func (c *Capture) parts(ctx context.Context, s Source, ph results.PlanPhase) {
	end := c.now() + ph.Duration
	release := c.hold(ctx, s, CPU)
	if release == nil {
		return
	}
	defer release()
	for ctx.Err() == nil {
		length := shortPartLength
		if ph.Duration > 0 {
			length = min(partLength, (end - c.now() + graceTime).Truncate(time.Second))
		}
		if length <= 0 {
			return
		}
		if !c.take(ctx, s, shot{kind: CPU, phase: ph.Name, role: rolePart}, length) {
			return
		}
	}
}

// goroutines are captured while the load goes on: when a phase begins, and shortly
// before it ends, where that is known beforehand.
func (c *Capture) goroutines(ctx context.Context, s Source, ph results.PlanPhase) {
	sh := shot{kind: Goroutine, phase: ph.Name, role: roleBegin}
	if !c.take(ctx, s, sh, 0) || ph.Duration == 0 || wait(ctx, ph.Duration*9/10) != nil {
		return
	}
	sh.role = roleEnd
	c.take(ctx, s, sh, 0)
}

// take makes one capture, writes it, and reports whether it succeeded.
func (c *Capture) take(ctx context.Context, s Source, sh shot, length time.Duration) bool {
	sh.source, sh.from = s.Name(), c.now()
	data, err := s.Take(ctx, sh.kind, length)
	// A program may go on for a moment with what its client has given up.
	for isInUse(err) && wait(ctx, inUsePause) == nil && c.now() < sh.from+length {
		again := c.now()
		if data, err = s.Take(ctx, sh.kind, length); !isInUse(err) {
			sh.from = again
			break
		}
	}
	if sh.to = c.now(); length > 0 {
		sh.to = min(sh.to, sh.from+length)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return false // the phase has ended meanwhile
	case err != nil:
		sh.err = err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if sh.err == nil {
		sh.file = c.fileName(sh, fmt.Sprintf(".%s%d", sh.role, len(c.shots)))
		sh.err = os.WriteFile(filepath.Join(c.RunDir, sh.file), data, 0o644)
	}
	c.shots = append(c.shots, sh)
	return sh.err == nil
}

// isInUse reports whether a program refuses a capture because of another one, by the messages of
// Go's runtime.
func isInUse(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "already in use") || strings.Contains(err.Error(), "already enabled"))
}

// fileName is a capture's, relative to the run's directory.
func (c *Capture) fileName(sh shot, suffix string) string {
	name := sh.phase + "." + sh.source + "." + sh.kind
	if sh.anomaly > 0 {
		name = fmt.Sprintf("anomaly%d.%s.%s", sh.anomaly, sh.source, sh.kind)
	}
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_", r) {
			return r
		}
		return '_'
	}, name)
	if sh.kind == Trace {
		return Dir + "/" + name + suffix
	}
	return Dir + "/" + name + suffix + ".pb.gz"
}

// Interval implements bench.Observer.
func (c *Capture) Interval(i *results.Interval) error {
	if c.phase.Warmup || i.Phase != c.phase.Name {
		return nil
	}
	c.mu.Lock()
	c.seconds = append(c.seconds, second{i.Start, i.Length, i.Completed()})
	c.mu.Unlock()
	if c.Anomaly <= 0 {
		return nil
	}
	sum, err := i.Sum()
	if err != nil {
		return err
	}
	if slow := sum.ResponseTime.Count >= leastSamples && sum.Percentile(99).Time > c.Anomaly; slow || i.Stalled() {
		c.captureAnomaly()
	}
	return nil
}

// captureAnomaly takes the goroutines and a short CPU profile, unless the last
// one is still being taken or there were enough of them. A program can be
// profiled once at a time: where its CPU is already, only the goroutines are.
func (c *Capture) captureAnomaly() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.anomaly || c.anomalies == maxAnomalies {
		return
	}
	c.anomaly = true
	c.anomalies++
	sh := shot{phase: c.phase.Name, anomaly: c.anomalies, role: rolePart}
	var taken sync.WaitGroup
	for _, s := range c.Sources {
		taken.Add(1)
		c.work.Go(func() {
			defer taken.Done()
			goroutines, cpu := sh, sh
			goroutines.kind, cpu.kind = Goroutine, CPU
			c.take(c.ctx, s, goroutines, 0)
			if !slices.Contains(c.Kinds, CPU) {
				c.take(c.ctx, s, cpu, anomalyLength)
			}
		})
	}
	c.work.Go(func() {
		taken.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.anomaly = false
	})
}

// Finish implements bench.Observer: it waits for what is being taken, puts the
// parts together and notes them in the run.
func (c *Capture) Finish(run *results.Run) error {
	if c.end != nil {
		c.end()
	}
	c.work.Wait()
	c.cancel()
	if c.fraction >= 0 {
		runtime.SetMutexProfileFraction(c.fraction)
	}
	run.Profiles = c.assemble()
	// Fails, as it should, when there is something in it.
	_ = os.Remove(filepath.Join(c.RunDir, Dir))
	if run.Profiled() {
		run.Warn("profiled", fmt.Sprintf(
			"profiles were taken (%s): the results include their cost; compare them with profiled runs only", strings.Join(c.taken(), ", ")))
	}
	return nil
}

// taken returns the requested kinds.
func (c *Capture) taken() []string {
	names := slices.Clone(c.Kinds)
	if c.anomalies > 0 {
		names = append(names, fmt.Sprintf("%d when seconds were slow", c.anomalies))
	}
	return names
}

// completed counts the operations between two moments; of an interval that is
// covered in part, that part.
func (c *Capture) completed(from, to time.Duration) uint64 {
	n := 0.0
	for _, s := range c.seconds {
		if overlap := min(to, s.start+s.length) - max(from, s.start); overlap > 0 {
			n += float64(s.completed) * float64(overlap) / float64(s.length)
		}
	}
	return uint64(n + 0.5)
}
