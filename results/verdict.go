package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// VerdictSchema names the version of a gate's document.
const VerdictSchema = "etcdbench.verdict/v1"

// What a gate says.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
	// NotMeasured is what it says of a metric that some run does not have.
	NotMeasured = "not measured"
)

// Verdict is what a gate found: the document that a CI job keeps.
type Verdict struct {
	Schema string `json:"schema"`
	// Gate is "ab", "aa", "thresholds" or "history".
	Gate    string    `json:"gate"`
	Verdict string    `json:"verdict"`
	Reason  string    `json:"reason"`
	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`

	// Baseline and Candidate are what was compared.
	Baseline  string `json:"baseline,omitempty"`
	Candidate string `json:"candidate,omitempty"`
	// Workload and Machine are where that holds.
	Workload string `json:"workload,omitempty"`
	Machine  string `json:"machine,omitempty"`
	// Planned rounds, those that count, and those that were dropped.
	Planned int            `json:"planned_rounds,omitempty"`
	Rounds  int            `json:"rounds,omitempty"`
	Dropped []DroppedRound `json:"dropped,omitempty"`
	// Rules are what the verdict was found by.
	Rules   *GateRules      `json:"rules,omitempty"`
	Metrics []MetricVerdict `json:"metrics,omitempty"`
	// Checks are the thresholds.
	Checks []ThresholdCheck `json:"checks,omitempty"`
	// Changes are where series of saved results changed.
	Changes  []SeriesChange `json:"changes,omitempty"`
	Warnings []Warning      `json:"warnings,omitempty"`
}

// DroppedRound is a round that does not count, and why.
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
	Baseline  float64  `json:"baseline"`
	Candidate float64  `json:"candidate"`
	Estimate  float64  `json:"estimate"`
	Lower     *float64 `json:"lower,omitempty"`
	Upper     *float64 `json:"upper,omitempty"`
	// Margin is the smallest change that matters; Detectable the smallest that
	// this job would have failed nine times in ten, 0 where it could not have.
	Margin     float64 `json:"margin"`
	Detectable float64 `json:"minimum_detectable_effect,omitempty"`
	// Noise is the standard deviation of one round's difference, as a share.
	Noise float64 `json:"noise,omitempty"`
	// Higher says that more is better, as of throughput.
	Higher bool `json:"higher_is_better,omitempty"`
}

// DecodeVerdict reads a document and refuses what is not one.
func DecodeVerdict(data []byte) (*Verdict, error) {
	v := new(Verdict)
	if err := json.Unmarshal(data, v); err != nil {
		return nil, jsonError(err)
	}
	if v.Schema != VerdictSchema {
		return nil, errors.New("not a verdict: its schema is " + clip(fmt.Sprintf("%q", v.Schema)))
	}
	return v, nil
}
