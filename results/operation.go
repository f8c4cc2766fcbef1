package results

import (
	"encoding/json"
	"fmt"
)

// Operation counts and times the operations of one kind, in a phase or in one
// interval of it. Offered = Completed + Failed + Dropped + Unfinished.
type Operation struct {
	Phase string `json:"phase"`
	Op    string `json:"op"`
	// Write means that this kind counts towards the target.
	Write bool `json:"write,omitempty"`
	// Arrived means that operations of this kind were not requested one by one: they arrived
	// without a request, such as events, or were part of others.
	Arrived bool `json:"arrived,omitempty"`
	// Of and Sign mark one half of a time that can be negative: the operations with the same Of
	// hold its magnitudes, and those with Sign -1 the magnitudes of the negative times.
	Of   string `json:"of,omitempty"`
	Sign int    `json:"sign,omitempty"`

	Offered   uint64 `json:"offered"`
	Completed uint64 `json:"completed"`
	Failed    uint64 `json:"failed"`
	// Dropped counts arrivals that found the queue full and were never sent.
	Dropped uint64 `json:"dropped"`
	// Unfinished counts operations that timed out, or that were waiting or in flight when the
	// run stopped. Their true time is longer than the recorded one.
	Unfinished uint64 `json:"unfinished"`
	// TimedOut is the part of Unfinished that reached the request timeout.
	TimedOut uint64 `json:"timed_out,omitempty"`
	// CompletedLate is the part of Completed that was answered after the phase
	// had ended; it does not count towards Throughput.
	CompletedLate uint64 `json:"completed_late,omitempty"`
	// Inherited counts the operations that were completed within the phase and had
	// arrived before it.
	Inherited uint64 `json:"inherited,omitempty"`
	// Overdue is the part of the acknowledged operations that were completed later than
	// the request timeout allows, counted from their intended time.
	Overdue uint64 `json:"overdue,omitempty"`

	// Throughput is the number of operations acknowledged within the phase, regardless of the
	// phase of their arrival, per second. Complete sets it.
	Throughput float64 `json:"throughput"`

	// ResponseTime holds completed operations, and unfinished ones with the lower bounds of
	// their times. ServiceTime and QueueTime hold completed operations.
	ResponseTime Latency `json:"response_time"`
	ServiceTime  Latency `json:"service_time"`
	QueueTime    Latency `json:"queue_time"`
	// FailedResponseTime holds the failures. UnfinishedResponseTime is the part of ResponseTime
	// that consists of lower bounds.
	FailedResponseTime     Latency `json:"failed_response_time,omitzero"`
	UnfinishedResponseTime Latency `json:"unfinished_response_time,omitzero"`
	// AllResponseTime is ResponseTime with the failures. Complete sets it.
	AllResponseTime Latency `json:"all_response_time,omitzero"`
	// Overflow counts times above the histograms' range (10 min).
	Overflow uint64 `json:"overflow,omitempty"`

	// Counts are the additional counts of the workload, such as attempts.
	Counts []Count      `json:"counts,omitempty"`
	Errors []ErrorClass `json:"errors"`
}

// operationFields are the fields of an operation without its methods.
type operationFields Operation

// MarshalJSON implements [json.Marshaler]. It adds the derived figures.
func (o Operation) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		operationFields
		ErrorRate   float64  `json:"error_rate"`
		Goodput     float64  `json:"goodput"`
		LowerBounds []string `json:"lower_bounds,omitempty"`
	}{operationFields(o), o.ErrorRate(), o.Goodput(), o.LowerBounds()})
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *Operation) UnmarshalJSON(data []byte) error {
	*o = Operation{}
	if err := json.Unmarshal(data, (*operationFields)(o)); err != nil {
		return fmt.Errorf("operation %s/%s: %w", Clip(o.Phase), Clip(o.Op), err)
	}
	return nil
}

// Count is a number that a workload counts beside its operations. Of names the count that it is
// a share of. If it is empty, it is a share of the completed operations.
type Count struct {
	Name  string `json:"name"`
	Of    string `json:"of,omitempty"`
	Count uint64 `json:"count"`
}

// CountReadLate is the name of the count of operations that arrived without a request and may
// have waited for the generator to read them.
const CountReadLate = "read-late"

// Counted returns the workload's count with that name, and whether there is one.
func (o *Operation) Counted(name string) (n uint64, counted bool) {
	for _, c := range o.Counts {
		if c.Name == name {
			return c.Count, true
		}
	}
	return 0, false
}

// ErrorClass counts the errors of one kind: a gRPC code and, if there is one, etcd's own
// error.
type ErrorClass struct {
	Code    string `json:"code"`
	Etcd    string `json:"etcd,omitempty"`
	Count   uint64 `json:"count"`
	Example string `json:"example,omitempty"`
}
