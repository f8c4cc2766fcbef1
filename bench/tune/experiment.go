package tune

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"github.com/etcdbench/etcdbench/bench"
	"github.com/etcdbench/etcdbench/bench/cluster"
	"github.com/etcdbench/etcdbench/bench/experiment"
	"github.com/etcdbench/etcdbench/bench/runner"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// Kind is the kind of experiment that a tuning is.
const Kind = "tune"

// Config is the configuration of a tuning, in addition to its base specification. Effort
// decides fields that are nil or empty.
type Config struct {
	Effort experiment.Effort `json:"effort,omitempty"`
	// Heartbeats and Elections make the grid of pairs.
	Heartbeats []time.Duration `json:"heartbeats_ns,omitempty"`
	Elections  []time.Duration `json:"elections_ns,omitempty"`
	// Dimension is another setting to tune, Values are those to try.
	Dimension string   `json:"dimension,omitempty"`
	Values    []string `json:"values,omitempty"`
	// Steady is the length of the undisturbed stretch.
	Steady *time.Duration `json:"steady_ns,omitempty"`
	// Rounds are the numbers of rounds after which the comparison with the defaults may
	// end; a single 0 means no comparison.
	Rounds []int `json:"rounds,omitempty"`
}

const (
	prefix = "/etcdbench/tune/"
	warmup = time.Second
	// faultLead is how long the load goes on before the first fault.
	faultLead = 500 * time.Millisecond
	// leastOperations have ten beyond their p99.
	leastOperations = 1000
	// leastClients is the smallest number of clients of a run.
	leastClients = 128
	leastStart   = 15 * time.Second
	maxRounds    = 100
	// pairRate and dimensionRate are the rates in operations per second, unless one is given. Faults
	// differ from noise at the first. Effects of other settings show at the second.
	pairRate, dimensionRate = 200, 1000
)

// check returns an error that names the flag if the configuration is invalid.
func (c Config) check(base runner.Spec) error {
	running := base.Cluster.Running()
	switch start := base.Cluster.Start; {
	case base.Load.Duration != nil || base.Load.Total != nil || base.Load.Warmup != nil:
		return errors.New("a tuning has its own phases: remove --duration, --total and --warmup, and see --steady")
	case start.HeartbeatInterval != nil || start.ElectionTimeout != nil:
		return errors.New("a tuning chooses the pairs: remove --heartbeat-interval and --election-timeout, " +
			"and name them with --heartbeat and --election")
	case c.Steady != nil && *c.Steady < 2*time.Second:
		return fmt.Errorf("--steady must be two seconds or more, not %v", *c.Steady)
	case c.Dimension != "" && len(c.Heartbeats)+len(c.Elections) > 0:
		return errors.New("--dimension cannot be combined with --heartbeat and --election")
	case c.Dimension == "" && len(c.Values) > 0:
		return errors.New("--try is for a --dimension")
	case running && (c.Dimension != "" || len(c.Heartbeats)+len(c.Elections) > 0):
		return errors.New("the settings of a running cluster cannot be changed: remove --dimension, --heartbeat and --election")
	case start.InProcess:
		return errors.New("a tuning needs members with processes of their own: remove --in-process")
	}
	return c.checkRounds()
}

func (c Config) checkRounds() error {
	for i, n := range c.Rounds {
		none := n == 0 && len(c.Rounds) == 1
		if !none && (n < 2 || n > maxRounds || i > 0 && n <= c.Rounds[i-1]) {
			return fmt.Errorf("--rounds must be 0, or rising numbers between 2 and %d, not %v", maxRounds, c.Rounds)
		}
	}
	return nil
}

// Experiment is a configured tuning.
type Experiment struct {
	Config
	base       runner.Spec
	first      *runner.Resolved
	candidates []Candidate
	rate       float64
	// idle and steady are the lengths of the stretches before the faults, repeats is how
	// often each candidate is tried.
	idle, steady time.Duration
	repeats      int
	rounds       []int
	// faults are the faults of the runs that try, comparing the faults of the runs that compare.
	faults, comparing []string
}

// New checks a tuning and decides what its configuration leaves open. It starts
// nothing.
func New(base runner.Spec, c Config) (*Experiment, error) {
	if err := c.check(base); err != nil {
		return nil, err
	}
	e := &Experiment{Config: c, base: base.Clone()}
	e.plan()
	if n := e.rate * e.steady.Seconds(); n < leastOperations {
		return nil, fmt.Errorf("--steady %v at %v/s has %.0f operations: a p99 needs %d or more", e.steady, e.rate, n, leastOperations)
	}
	if len(e.faults) > 0 && len(base.Disturbances) > 0 {
		return nil, errors.New("--disturb cannot be combined with the faults that a tuning makes: leave it out, or tune a --dimension")
	}
	known, err := e.resolve(Candidate{})
	if err != nil {
		return nil, err
	}
	if !e.running() && c.Dimension == "" && known.Settings.Members == 1 {
		return nil, errors.New("--members must be 3 or 5: a single member holds no elections")
	}
	e.first = known
	if e.candidates, err = e.choose(); err != nil {
		return nil, err
	}
	for i := range slices.Backward(e.candidates) {
		if e.first, err = e.resolve(e.candidates[i]); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *Experiment) resolve(c Candidate) (*runner.Resolved, error) {
	return e.spec(Trial{Candidate: c, Seed: e.seed()}).Resolve("")
}

func (e *Experiment) running() bool { return e.base.Cluster.Running() }

// plan sets the lengths and the numbers of runs.
func (e *Experiment) plan() {
	e.rate, e.idle, e.steady, e.repeats, e.rounds = pairRate, 5*time.Second, 30*time.Second, 1, []int{6}
	once := []string{
		results.FaultKillLeader, results.FaultPauseLeader, results.FaultCutLeader, results.FaultKillFollower, results.FaultMoveLeader,
	}
	faults, comparing := slices.Repeat(once, 3), slices.Repeat(once[:3], 2)
	switch e.Effort {
	case experiment.Quick:
		e.idle, e.steady, e.rounds = 2*time.Second, 6*time.Second, []int{2}
		faults, comparing = once, once[:1]
	case experiment.Thorough:
		e.steady, e.repeats, e.rounds = 2*time.Minute, 3, []int{12}
	}
	if e.Dimension != "" {
		e.rate = dimensionRate
	} else if !e.running() {
		e.faults, e.comparing = faults, comparing
	}
	if e.base.Load.Rate != nil {
		e.rate = *e.base.Load.Rate
	}
	if e.Steady != nil {
		e.steady = *e.Steady
	}
	if len(e.Rounds) > 0 {
		e.rounds = e.Rounds
	}
	if e.running() || e.rounds[0] == 0 {
		e.rounds = nil
	}
}

// choose makes the candidates.
func (e *Experiment) choose() ([]Candidate, error) {
	switch {
	case e.running():
		return []Candidate{{Name: "as it is"}}, nil
	case e.Dimension != "":
		var names []string
		for _, d := range Dimensions() {
			if d.Name == e.Dimension {
				return d.Candidates(e.Values), nil
			}
			names = append(names, d.Name)
		}
		return nil, fmt.Errorf("--dimension must be one of %s, not %q", strings.Join(names, ", "), e.Dimension)
	case len(e.Heartbeats)+len(e.Elections) == 0:
		return Pairs(e.RTT(), e.Effort), nil
	}
	heartbeats, elections := e.Heartbeats, e.Elections
	if len(heartbeats) == 0 {
		heartbeats = []time.Duration{DefaultHeartbeat}
	}
	if len(elections) == 0 {
		elections = []time.Duration{DefaultElection}
	}
	list := Grid(heartbeats, elections)
	if len(list) == 0 {
		_, err := NewPair(heartbeats[0], elections[0])
		return nil, fmt.Errorf("etcd accepts none of the pairs: %w", err)
	}
	if !slices.ContainsFunc(list, func(c Candidate) bool { return c.Default }) {
		list = append(Grid([]time.Duration{DefaultHeartbeat}, []time.Duration{DefaultElection}), list...)
	}
	return list, nil
}

// RTT returns the configured longest round trip between two members.
func (e *Experiment) RTT() time.Duration {
	s := e.first.Settings
	if s.Network == nil {
		return 0
	}
	return s.Network.Longest(s.Members)
}

// election returns the candidate's election timeout, or etcd's default.
func election(c Candidate) time.Duration {
	if c.Election > 0 {
		return c.Election
	}
	return DefaultElection
}

// timeout returns the timeout of a request, which is longer than an election without split
// votes.
func timeout(c Candidate) time.Duration { return 2*election(c) + 2*time.Second }

// kinds returns the faults of a trial.
func (e *Experiment) kinds(compare bool) []string {
	if compare {
		return e.comparing
	}
	return e.faults
}

// spec derives the specification of a trial.
func (e *Experiment) spec(t Trial) runner.Spec {
	s := experiment.Derive(e.base, prefix)
	s.Load.Rate, s.Load.Seed = nil, &t.Seed
	experiment.SetDefault(&s.Load.Timeout, timeout(t.Candidate))
	// While no member answers, every arrival needs a client of its own.
	experiment.SetDefault(&s.Load.Clients, max(leastClients, int(e.rate*timeout(t.Candidate).Seconds())))
	s.Experiment.Resilience = true
	load := bench.Load{Rate: e.rate, Arrival: bench.ArrivalConstant}
	if s.Load.Arrival != nil {
		load.Arrival = *s.Load.Arrival
	}
	s.Load.Phases = []bench.PlanPhase{
		{Name: results.PhaseIdle, Duration: e.idle, Load: bench.Load{Rate: 1, Arrival: bench.ArrivalConstant}, Warmup: true},
		{Name: "warmup", Duration: warmup, Load: load, Warmup: true},
		{Name: results.PhaseSteady, Duration: e.steady, Load: load},
	}
	if e.running() {
		return s
	}
	start := &s.Cluster.Start
	for _, setting := range t.Settings {
		start.EtcdFlags = append(start.EtcdFlags, setting.Name+"="+setting.Value)
	}
	if kinds := e.kinds(t.Compare); len(kinds) > 0 {
		experiment.SetDefault(&start.StartTimeout, max(leastStart, 10*election(t.Candidate)))
		s.Experiment.Faults = &runner.Faults{Kinds: kinds, Begin: e.steady + faultLead, Election: election(t.Candidate)}
		s.Load.Phases = append(s.Load.Phases, bench.PlanPhase{
			Name: results.PhaseFaults, Duration: faultLead + s.Experiment.Faults.Length(), Load: load, Warmup: true,
		})
	}
	return s
}

// length returns the total length of a trial.
func (e *Experiment) length(c Candidate, compare bool) time.Duration {
	r, err := e.spec(Trial{Candidate: c, Compare: compare, Seed: e.seed()}).Resolve("")
	if err != nil {
		return 0 // all candidates have been resolved before
	}
	return r.Estimate()
}

// Plan returns the planned runs.
func (e *Experiment) Plan() experiment.Plan {
	var p experiment.Plan
	add := func(name string, count int, t Trial) {
		t.Seed = e.first.Plan.Seed
		p.Runs = append(p.Runs, experiment.Planned{Name: name, Count: count, Spec: e.spec(t), Length: e.length(t.Candidate, t.Compare)})
	}
	for _, c := range e.candidates {
		add("try "+c.Name, e.repeats, Trial{Candidate: c})
	}
	if n := e.comparisons(); n > 0 {
		add("comparison with the defaults", 2*n, Trial{Candidate: e.defaults(), Compare: true})
	}
	return p
}

// comparisons returns the largest number of rounds of the comparison.
func (e *Experiment) comparisons() int {
	if len(e.rounds) == 0 {
		return 0
	}
	return e.rounds[len(e.rounds)-1]
}

// defaults returns the candidate with etcd's defaults.
func (e *Experiment) defaults() Candidate {
	for _, c := range e.candidates {
		if c.Default {
			return c
		}
	}
	return Candidate{}
}

// Left returns the length of the runs from the given number on.
func (e *Experiment) Left(from int) (sum time.Duration) {
	tries := e.repeats * len(e.candidates)
	for i := from; i < tries; i++ {
		sum += e.length(e.candidates[i%len(e.candidates)], false)
	}
	if n := 2*e.comparisons() - max(0, from-tries); n > 0 {
		sum += time.Duration(n) * e.length(e.defaults(), true)
	}
	return sum
}

// TrialLength returns the length of a trial.
func (e *Experiment) TrialLength(t Trial) time.Duration { return e.length(t.Candidate, t.Compare) }

// First returns the resolved specification of the first candidate's trial.
func (e *Experiment) First() *runner.Resolved { return e.first }

// Rate returns the rate of the load, in arrivals per second.
func (e *Experiment) Rate() float64 { return e.rate }

// Tries is how many runs try candidates, Comparisons how many rounds compare at most.
func (e *Experiment) Tries() (tries, comparisons int) {
	return e.repeats * len(e.candidates), e.comparisons()
}

// Subject returns the name of the tuned settings.
func (e *Experiment) Subject() string {
	switch {
	case e.running():
		return "by etcd's rules"
	case e.Dimension != "":
		return e.Dimension
	}
	return fmt.Sprintf("heartbeat interval and election timeout for round trips of %v", e.RTT())
}

// Run tries, recommends and compares. The document holds what was found until then,
// also with an error, which means that the tuning is not finished; then it recommends
// nothing.
func (e *Experiment) Run(ctx context.Context, o experiment.Options, progress func(Progress)) (*results.Tuning, error) {
	options := Options{
		Dir: o.Dir, Dimension: e.Dimension, Candidates: e.candidates, Repeats: e.repeats, Rounds: e.rounds, RTT: e.RTT(),
		Failover: len(e.faults) > 0, Seed: e.seed(), Progress: progress,
		Run: func(ctx context.Context, t Trial) (*results.Run, error) { return e.try(ctx, o, t) },
	}
	if e.Dimension == "" {
		options.Dimension = results.DimensionPair
	}
	started := time.Now().Round(0)
	var t *results.Tuning
	err := experiment.Prepare(ctx, o.Dir, e.first)
	if err == nil {
		t, err = Run(ctx, options)
	} else {
		t = &results.Tuning{Schema: results.TuningSchema, Dimension: options.Dimension}
	}
	t.ID, t.Started, t.Ended, t.Rate = filepath.Base(o.Dir), started, time.Now().Round(0), e.rate
	if e.running() && err == nil {
		err = model(o.Dir, t)
	}
	if err == nil {
		return t, nil
	}
	// Of a part, there is nothing to recommend.
	t.Recommended, t.Settings, t.Reasons = "", nil, []string{experiment.NotFinished(err)}
	done := 0
	for _, tried := range t.Tried {
		done += len(tried.Runs)
	}
	made := english.Plural(done, "run", "")
	return t, experiment.Unfinished(err, made, o.Dir)
}

func (e *Experiment) seed() uint64 {
	if e.base.Load.Seed != nil {
		return *e.base.Load.Seed
	}
	return runner.DefaultSeed
}

// try makes one run. A failed election is not an error of the tuning, but a
// finding.
func (e *Experiment) try(ctx context.Context, o experiment.Options, t Trial) (*results.Run, error) {
	spec := e.spec(t)
	run, err := o.Measure(ctx, spec, t.Dir)
	if run == nil && errors.Is(err, cluster.ErrNotReady) && !e.running() {
		limit := cluster.DefaultSettings().StartTimeout
		if given := spec.Cluster.Start.StartTimeout; given != nil {
			limit = *given
		}
		return nil, Unfit{Reason: fmt.Sprintf("no leader could be elected in %v: %s", limit, firstLine(err))}
	}
	return run, err
}

// firstLine returns the text of an error without the log lines in it.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line, _, _ = strings.Cut(line, "; the last lines")
	return strings.TrimPrefix(line, "start cluster: "+cluster.ErrNotReady.Error()+": ")
}

// model recommends by etcd's rules, from what the members of a running cluster said.
func model(dir string, t *results.Tuning) error {
	path := filepath.Join(dir, "try-001")
	run, whole := results.ReadWhole(path)
	if !whole {
		return errors.New("the observation was not completed")
	}
	rtt, fsync, err := judge.NetworkAndDisk(run, func(each func(*results.Interval) error) error { return results.EachInterval(path, each) })
	if err != nil {
		return err
	}
	t.RTT, t.RTTMeasured, t.Fsync = rtt, true, fsync
	c, reasons := Model(rtt, fsync)
	if r := run.Resilience; r != nil && len(r.RoundTrips) > 0 {
		trips := slices.Sorted(maps.Values(r.RoundTrips))
		reasons = append(reasons, fmt.Sprintf("the generator's requests take %v to the nearest member and %v to the farthest",
			trips[0].Round(time.Microsecond), trips[len(trips)-1].Round(time.Microsecond)))
	}
	t.Recommended, t.Settings, t.Reasons = c.Name, c.Settings, reasons
	return nil
}
