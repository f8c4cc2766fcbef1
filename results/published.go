package results

import "time"

// PublishedSchema is the version of the document of a comparison with published figures.
const PublishedSchema = "etcdbench.published/v1"

// Published is the document of a comparison of this cluster with published figures of another
// cluster.
type Published struct {
	Schema  string    `json:"schema"`
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`
	// Source is the URL of the published figures. Conditions are the lines that describe their
	// measurement.
	Source     string   `json:"source"`
	Conditions []string `json:"conditions"`
	// Cluster and Environment are those of the last run.
	Cluster     Cluster        `json:"cluster"`
	Environment Environment    `json:"environment"`
	Rows        []PublishedRow `json:"rows"`
	// Short means that the runs were shorter than the published ones.
	Short bool `json:"short,omitempty"`
}

// PublishedRow is one published row with the figures that were measured here.
type PublishedRow struct {
	// Name describes the load, such as "put, 1 client, leader only".
	Name    string `json:"name"`
	Clients int    `json:"clients"`
	Conns   int    `json:"conns"`
	// Operations is the number of requested operations of this run.
	Operations uint64 `json:"operations"`
	// PublishedRate is in operations per second, PublishedMean the average latency.
	PublishedRate float64       `json:"published_per_s"`
	PublishedMean time.Duration `json:"published_mean_ns"`
	// Rate, Mean and P99 are the measured figures. P99 is 0 if it is not resolved. AtLeast says
	// that the times are lower bounds.
	Rate      float64       `json:"per_s"`
	Mean      time.Duration `json:"mean_ns"`
	P99       time.Duration `json:"p99_ns,omitempty"`
	AtLeast   bool          `json:"at_least,omitempty"`
	ErrorRate float64       `json:"error_rate"`
	// Validity is the validity of the run, and Reason its first reason.
	Validity string `json:"validity"`
	Reason   string `json:"reason,omitempty"`
	// Dir is the run's directory, relative to that of the document.
	Dir string `json:"dir"`
}

// Share returns the measured rate as a share of the published one, or 0 if that is unknown.
func (r PublishedRow) Share() float64 {
	if r.PublishedRate == 0 {
		return 0
	}
	return r.Rate / r.PublishedRate
}

// NewPublishedRow adds the measurements of a run to a published row.
func NewPublishedRow(row PublishedRow, run *Run) (PublishedRow, error) {
	op, err := run.Measured("")
	if err != nil {
		return row, err
	}
	row.Rate, row.Mean, row.ErrorRate = op.Throughput, time.Duration(op.ResponseTime.Mean), op.ErrorRate()
	row.AtLeast = len(op.LowerBounds()) > 0
	if p := op.Percentile(99); p.Resolved {
		row.P99 = p.Time
	}
	row.Validity = run.Validity.Verdict
	if len(run.Validity.Reasons) > 0 {
		row.Reason = run.Validity.Reasons[0].Message
	}
	return row, nil
}

// DecodePublished reads the document of a comparison with published figures. It returns an
// error for any other document.
func DecodePublished(data []byte) (*Published, error) {
	p := new(Published)
	if err := decode(data, KindPublished, p); err != nil {
		return nil, err
	}
	return p, checkLengths([]length{{"rows", len(p.Rows), maxShortList}, {"conditions", len(p.Conditions), maxShortList}})
}
