package results

import (
	"encoding/json"
	"errors"
	"time"
)

// VerdictSchema is the version of a gate's document.
const VerdictSchema = "etcdbench.verdict/v1"

// The verdicts of a gate.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
	// NotMeasured is the verdict on a metric that is missing in some run.
	NotMeasured = "not measured"
)

// Verdict is the document of a gate, which a CI job keeps.
type Verdict struct {
	Schema string `json:"schema"`
	// Gate is "ab", "aa", "thresholds", "history" or "qualify".
	Gate    string    `json:"gate"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`

	// Baseline and Candidate describe the two sides.
	Baseline  string `json:"baseline,omitempty"`
	Candidate string `json:"candidate,omitempty"`
	// Workload and Machine are those that the verdict holds for.
	Workload string `json:"workload,omitempty"`
	Machine  string `json:"machine,omitempty"`
	// Planned, Rounds and Dropped are the planned rounds, those that count, and those that were
	// dropped.
	Planned int            `json:"planned_rounds,omitempty"`
	Rounds  int            `json:"rounds,omitempty"`
	Dropped []DroppedRound `json:"dropped,omitempty"`
	// Order is the first side of each round, including dropped rounds.
	Order []string `json:"order,omitempty"`
	// Proofs counts the runs by the verdict of their proof; those without one are "none".
	Proofs map[string]int `json:"proofs,omitempty"`
	// Violations are the runs whose proof found violations.
	Violations []RunViolation `json:"violations,omitempty"`
	// Disturbances are the disturbances of all runs, including those of dropped rounds, up to
	// [MostRunEvents].
	Disturbances []RunEvent `json:"disturbances,omitempty"`
	// Rules are the rules of the verdict.
	Rules   *GateRules      `json:"rules,omitempty"`
	Metrics []MetricVerdict `json:"metrics,omitempty"`
	// Checks are the verdicts on thresholds.
	Checks []ThresholdCheck `json:"checks,omitempty"`
	// Changes are the points at which series of saved results changed.
	Changes  []SeriesChange `json:"changes,omitempty"`
	Warnings []Warning      `json:"warnings,omitempty"`
	// Parts are the verdicts on the scenarios of a release check, in its order. They have no
	// parts of their own.
	Parts []Verdict `json:"parts,omitempty"`
}

// DroppedRound is a round that does not count, and the reason.
type DroppedRound struct {
	Round  int    `json:"round"`
	Reason string `json:"reason"`
}

// RunViolation is a run of an experiment whose proof found violations.
type RunViolation struct {
	Round int    `json:"round"`
	Side  string `json:"side"`
	// Found counts the violations; First describes one of them.
	Found uint64 `json:"violations_found"`
	First string `json:"first,omitempty"`
}

// RunEvent is a disturbance of a run of an experiment.
type RunEvent struct {
	Round int    `json:"round"`
	Side  string `json:"side"`
	Event
	// Outage is the longest outage of the run; 0 means none, or that the run has no open loop.
	Outage time.Duration `json:"longest_outage_ns,omitempty"`
}

// MostRunEvents is the largest number of disturbances that a verdict has.
const MostRunEvents = 400

// MetricVerdict is one metric of an A/B comparison. Estimate, Lower and Upper say how
// much worse the candidate is: how many times the worse side's figure is the other's,
// less one (0.05 for a response time that is 5 % longer, and for a throughput of 1/1.05),
// negative where it is better. An infinite bound is left out. Change has them as changes
// of the figure. Of an Absolute metric, which is a share itself, they are differences.
type MetricVerdict struct {
	Name    string `json:"name"`
	Unit    string `json:"unit,omitempty"`
	Primary bool   `json:"primary"`
	Verdict string `json:"verdict"`
	Note    string `json:"note,omitempty"`
	Rounds  int    `json:"rounds"`
	// Operations is the number of the candidate's operations for an absolute metric.
	Operations uint64 `json:"operations,omitempty"`
	// Baseline and Candidate are the measured medians of the rounds. For an absolute metric,
	// they are the shares over all rounds together.
	Baseline  float64 `json:"baseline"`
	Candidate float64 `json:"candidate"`
	// BaselineAtLeast and CandidateAtLeast say that the value of some round is a lower bound,
	// because operations did not finish.
	BaselineAtLeast  bool     `json:"baseline_at_least,omitempty"`
	CandidateAtLeast bool     `json:"candidate_at_least,omitempty"`
	Estimate         float64  `json:"estimate"`
	Lower            *float64 `json:"lower,omitempty"`
	Upper            *float64 `json:"upper,omitempty"`
	// Margin is the smallest change for the worse that matters, as a share of the baseline.
	// Detectable is the smallest that this job would have failed nine times in ten, on the
	// scale of Estimate, 0 where it could not have.
	Margin     float64 `json:"margin"`
	Detectable float64 `json:"minimum_detectable_effect,omitempty"`
	// Noise is the standard deviation of one round's difference, as a share.
	Noise float64 `json:"noise,omitempty"`
	// Higher means that larger values are better, as for throughput.
	Higher bool `json:"higher_is_better,omitempty"`
	// Absolute means that the metric is a share, and that its changes are differences, as for
	// the error rate.
	Absolute bool `json:"absolute,omitempty"`
	// Needed is the number of rounds that detect changes of several sizes, if it was requested.
	Needed []NeededRounds `json:"rounds_needed,omitempty"`
}

// NeededRounds is the number of rounds with which a job fails a regression of the size Effect,
// a share, nine times in ten. It is 0 if a job cannot have that many.
type NeededRounds struct {
	Effect float64 `json:"effect"`
	Rounds int     `json:"rounds"`
}

// Change returns the change of the figure from baseline to candidate with its interval:
// relative and with its natural sign (-0.27 for a throughput that is 27 % lower), or the
// difference of an absolute metric. An infinite bound is nil.
func (m MetricVerdict) Change() (estimate float64, lower, upper *float64) {
	if !m.Higher {
		return m.Estimate, m.Lower, m.Upper
	}
	turn := func(v float64) float64 { return -v / (1 + v) }
	bound := func(v *float64) *float64 {
		if v == nil {
			return nil
		}
		turned := turn(*v)
		return &turned
	}
	return turn(m.Estimate), bound(m.Upper), bound(m.Lower)
}

// LeastFound returns the smallest regression that the job would have failed nine times in ten,
// as a change of the figure; 0 if there is none.
func (m MetricVerdict) LeastFound() float64 {
	if m.Higher {
		return -m.Detectable / (1 + m.Detectable)
	}
	return m.Detectable
}

// Direction is the direction of the estimate: [Better], [Worse] or the [Same].
func (m MetricVerdict) Direction() string {
	switch {
	case m.Estimate > 0:
		return Worse
	case m.Estimate < 0:
		return Better
	}
	return Same
}

// metricFields are the fields of a metric's verdict without its methods.
type metricFields MetricVerdict

// MarshalJSON implements [json.Marshaler]. It adds the derived figures.
func (m MetricVerdict) MarshalJSON() ([]byte, error) {
	document := struct {
		metricFields
		Change    float64  `json:"change"`
		Lower     *float64 `json:"change_lower,omitempty"`
		Upper     *float64 `json:"change_upper,omitempty"`
		Direction string   `json:"direction,omitempty"`
	}{metricFields: metricFields(m)}
	if m.Verdict != NotMeasured {
		document.Change, document.Lower, document.Upper = m.Change()
		document.Direction = m.Direction()
	}
	return json.Marshal(document)
}

// GateRules decide an A/B comparison; results/judge applies them.
type GateRules struct {
	// Primary names the metrics that the verdict rests on.
	Primary []string `json:"primary"`
	// Optional are those of Primary that are left out where no run of either side has them.
	Optional []string `json:"optional,omitempty"`
	// Margins are the smallest changes that matter, as shares, by metric.
	Margins map[string]float64 `json:"margins"`
	// Looks are the numbers of rounds after which there may be a verdict, rising.
	Looks []int `json:"looks"`
	// FalseFail is the largest probability of a fail when nothing differs, and
	// FalsePass that of a pass when some metric is worse by its margin.
	FalseFail float64 `json:"false_fail"`
	FalsePass float64 `json:"false_pass"`
}

// ThresholdCheck is the verdict on one threshold.
type ThresholdCheck struct {
	Text    string `json:"text"`
	Verdict string `json:"verdict"`
	// Value is the measured value, in nanoseconds for times, and at most 1 for a share.
	// With windows, it is that of the worst window. AtLeast says that it is a lower
	// bound, because operations did not finish.
	Value   float64 `json:"value"`
	AtLeast bool    `json:"at_least,omitempty"`
	IsTime  bool    `json:"is_time,omitempty"`
	IsShare bool    `json:"is_share,omitempty"`
	Limit   float64 `json:"limit"`
	// Windows is how many windows were checked, Failed how many of them exceeded the
	// threshold, and At the start of the worst.
	Windows int           `json:"windows,omitempty"`
	Failed  int           `json:"failed_windows,omitempty"`
	At      time.Duration `json:"at_ns,omitempty"`
	Reason  string        `json:"reason,omitempty"`
}

// SeriesChange is a point at which a series of saved results changed.
type SeriesChange struct {
	// Series is the plan, cluster and machine that the runs have in common.
	Series string `json:"series"`
	Metric string `json:"metric"`
	Unit   string `json:"unit,omitempty"`
	// Run is the first run after the change, and Label its version or commit.
	Run     string    `json:"run"`
	Path    string    `json:"path,omitempty"`
	Started time.Time `json:"started"`
	Label   string    `json:"label,omitempty"`
	// Before is the median of the runs from the previous change to this one, and After
	// that of the runs from this one to the next. Change is from Before to After, as a
	// share, and of error rates as a difference of shares; positive is worse.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Change float64 `json:"change"`
	// P bounds the probability that a series in which nothing changes ever shows so clear
	// a change, in any of its metrics; of a change that ends an alert, it is the p-value
	// of that split alone.
	P float64 `json:"p_value"`
	// Alert means that since this change the series is worse than its best level by the
	// metric's margin or more. Best is the median of that level, Now that of the last one,
	// and Worse is the change from Best to Now.
	Alert bool    `json:"alert,omitempty"`
	Best  float64 `json:"best,omitempty"`
	Now   float64 `json:"now,omitempty"`
	Worse float64 `json:"worse_than_best,omitempty"`
}

// DecodeVerdict reads the document of a gate. It refuses any other, and one that is
// larger than any gate writes.
func DecodeVerdict(data []byte) (*Verdict, error) {
	v := new(Verdict)
	if err := decode(data, KindVerdict, v); err != nil {
		return nil, err
	}
	if err := v.checkParts(); err != nil {
		return nil, err
	}
	for i := range v.Parts {
		if err := v.Parts[i].checkLists(); err != nil {
			return nil, err
		}
	}
	return v, v.checkLists()
}

// checkParts refuses more parts than a release check has, and parts of parts.
func (v *Verdict) checkParts() error {
	for _, p := range v.Parts {
		if len(p.Parts) > 0 {
			return errors.New("a part of the verdict has parts")
		}
	}
	return checkLengths([]length{{"parts", len(v.Parts), maxParts}})
}

// maxParts is how many scenarios a release check has at most.
const maxParts = 1000

// checkLists refuses longer lists than any gate writes.
func (v *Verdict) checkLists() error {
	return checkLengths([]length{
		{"metrics", len(v.Metrics), maxList}, {"checks", len(v.Checks), maxList}, {"changes", len(v.Changes), maxList},
		{"dropped", len(v.Dropped), maxList}, {"order", len(v.Order), maxList}, {"violations", len(v.Violations), maxList},
		{"proofs", len(v.Proofs), maxList}, {"warnings", len(v.Warnings), maxList},
	})
}
