package results

import "time"

// Availability has the outages of a run whose operations arrived on a schedule.
type Availability struct {
	// Share is the part of the operations of the measured phases that were answered
	// without an error in time.
	Share float64 `json:"share"`
	// Late is after how long an arrival was late, and Usual the p99 of the longest
	// response time of ten milliseconds of arrivals. Both are of the time before the first
	// disturbance; without one, of the time without failed and late arrivals.
	Late  time.Duration `json:"late_ns"`
	Usual time.Duration `json:"usual_p99_ns"`
	// Count is how many outages there were, Longest the length of the longest and Total
	// that of all together.
	Count   int           `json:"count"`
	Longest time.Duration `json:"longest_ns"`
	Total   time.Duration `json:"total_ns"`
	// Outages are the first of them.
	Outages []Outage `json:"outages,omitempty"`
}

// Outage is a stretch of the measured phases in which arrivals failed or were late, from the
// intended time of the first of them until the rate had recovered. At least half of the
// arrivals failed or were late, for a tenth of a second or more.
type Outage struct {
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// Affected are the arrivals in moments with a failure or a late arrival; Lost are those
	// that failed.
	Affected uint64 `json:"affected"`
	Lost     uint64 `json:"lost"`
	// Settled is how long it took from Start until response times were as usual for a
	// second; 0 where they were not before the next outage or the end.
	Settled time.Duration `json:"settled_ns,omitempty"`
	// Open means that the rate had not recovered by the end of the measured phases.
	Open bool `json:"open,omitempty"`
	// Causes are the disturbances and the doings of members at the same time.
	Causes []string `json:"causes,omitempty"`
}
