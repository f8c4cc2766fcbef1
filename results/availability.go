package results

import "time"

// Availability describes the outages of a run whose operations arrived on a schedule.
type Availability struct {
	// Share is the part of the operations of the measured phases that were answered
	// without an error in time.
	Share float64 `json:"share"`
	// Late is the response time above which an arrival is late. Usual is the p99 of the longest
	// response time in ten milliseconds of arrivals. Both are computed from the time before the
	// first disturbance or, without one, from the time without failed and late arrivals.
	Late  time.Duration `json:"late_ns"`
	Usual time.Duration `json:"usual_p99_ns"`
	// Count is the number of outages, and Partial the number of partial ones among them.
	// Longest is the length of the longest outage, and Total the length of all together.
	Count   int           `json:"count"`
	Partial int           `json:"partial,omitempty"`
	Longest time.Duration `json:"longest_ns"`
	Total   time.Duration `json:"total_ns"`
	// Outages are the first outages.
	Outages []Outage `json:"outages,omitempty"`
}

// Outage is a stretch of the measured phases in which arrivals failed or were late, from the
// intended time of the first of them until the rate had recovered. Clearly more than one in
// twenty arrivals were affected, for a tenth of a second or more. Where it was less than half
// of them, for half a second or more: a partial outage.
type Outage struct {
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// Affected are the arrivals that failed, and in moments with a late arrival those that took
	// more than [SlowAnswer]. Lost are those that failed.
	Affected uint64 `json:"affected"`
	Lost     uint64 `json:"lost"`
	// Share is the part of the arrivals from the first affected one to the last that were
	// affected. It is 0 in results that do not have it.
	Share float64 `json:"share,omitempty"`
	// Settled is the time from Start until response times were as usual for a second. It is 0
	// if that did not happen before the next outage or the end.
	Settled time.Duration `json:"settled_ns,omitempty"`
	// Open means that the rate had not recovered by the end of the measured phases.
	Open bool `json:"open,omitempty"`
	// Causes are the disturbances and the member events at the same time.
	Causes []string `json:"causes,omitempty"`
}

// Partial reports whether most operations were served during the outage.
func (o Outage) Partial() bool { return o.Share > 0 && o.Share < 0.5 }
