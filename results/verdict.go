package results

import "time"

// VerdictSchema names the version of a gate's document.
const VerdictSchema = "etcdbench.verdict/v1"

// The verdicts of a gate.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
	// NotMeasured is the verdict on a metric that some run does not have.
	NotMeasured = "not measured"
)

// Verdict is the document of a gate, which a CI job keeps.
type Verdict struct {
	Schema string `json:"schema"`
	// Gate is "ab", "aa", "thresholds" or "history".
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
	// Planned rounds, those that count, and those that were dropped.
	Planned int            `json:"planned_rounds,omitempty"`
	Rounds  int            `json:"rounds,omitempty"`
	Dropped []DroppedRound `json:"dropped,omitempty"`
	// Rules are those that the verdict was reached by.
	Rules   *GateRules      `json:"rules,omitempty"`
	Metrics []MetricVerdict `json:"metrics,omitempty"`
	// Checks are the verdicts on thresholds.
	Checks []ThresholdCheck `json:"checks,omitempty"`
	// Changes are where series of saved results changed.
	Changes  []SeriesChange `json:"changes,omitempty"`
	Warnings []Warning      `json:"warnings,omitempty"`
}

// DroppedRound is a round that does not count, and the reason.
type DroppedRound struct {
	Round  int    `json:"round"`
	Reason string `json:"reason"`
}

// MetricVerdict is one metric of an A/B comparison. Estimate and bounds are
// changes from baseline to candidate as shares of the baseline (0.05 is 5 %
// more), with their signs turned so that more is worse; an infinite bound is left
// out.
type MetricVerdict struct {
	Name    string `json:"name"`
	Unit    string `json:"unit,omitempty"`
	Primary bool   `json:"primary"`
	Verdict string `json:"verdict"`
	Note    string `json:"note,omitempty"`
	Rounds  int    `json:"rounds"`
	// Baseline and Candidate are the medians of the rounds, as measured.
	Baseline  float64 `json:"baseline"`
	Candidate float64 `json:"candidate"`
	// BaselineAtLeast and CandidateAtLeast say that some round's value is a lower bound,
	// because operations did not finish.
	BaselineAtLeast  bool     `json:"baseline_at_least,omitempty"`
	CandidateAtLeast bool     `json:"candidate_at_least,omitempty"`
	Estimate         float64  `json:"estimate"`
	Lower            *float64 `json:"lower,omitempty"`
	Upper            *float64 `json:"upper,omitempty"`
	// Margin is the smallest change that matters; Detectable the smallest that
	// this job would have failed nine times in ten, 0 where it could not have.
	Margin     float64 `json:"margin"`
	Detectable float64 `json:"minimum_detectable_effect,omitempty"`
	// Noise is the standard deviation of one round's difference, as a share.
	Noise float64 `json:"noise,omitempty"`
	// Higher says that more is better, as of throughput.
	Higher bool `json:"higher_is_better,omitempty"`
}

// GateRules decide an A/B comparison; results/judge applies them.
type GateRules struct {
	// Primary names the metrics that the verdict rests on.
	Primary []string `json:"primary"`
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
	// Value is the measured value, in nanoseconds for times. With windows, it is that
	// of the worst window. AtLeast says that it is a lower bound, because operations
	// did not finish.
	Value   float64 `json:"value"`
	AtLeast bool    `json:"at_least,omitempty"`
	IsTime  bool    `json:"is_time,omitempty"`
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
	// Before is the mean of the runs from the previous change to this one, and After
	// that of the runs from this one to the next, both on a logarithmic scale. Change
	// is from Before to After, as a share; positive is worse.
	Before float64 `json:"before"`
	After  float64 `json:"after"`
	Change float64 `json:"change"`
	P      float64 `json:"p_value"`
	// Alert says that the change is for the worse by the metric's margin or more, and
	// that it is the last of the series.
	Alert bool `json:"alert,omitempty"`
}

// DecodeVerdict reads the document of a gate. It refuses any other, and one that is
// larger than any gate writes.
func DecodeVerdict(data []byte) (*Verdict, error) {
	v := new(Verdict)
	if err := decode(data, KindVerdict, v); err != nil {
		return nil, err
	}
	if err := checkLengths([]length{
		{"metrics", len(v.Metrics), maxList}, {"checks", len(v.Checks), maxList}, {"changes", len(v.Changes), maxList},
		{"dropped", len(v.Dropped), maxList}, {"warnings", len(v.Warnings), maxList},
	}); err != nil {
		return nil, err
	}
	return v, nil
}
