package results

import "time"

// Interval is one second of a run, or the part of it within one phase. Late answers of a phase
// are in the interval of their arrival, under their own phase.
type Interval struct {
	Number int           `json:"n"`
	Phase  string        `json:"phase"`
	Start  time.Duration `json:"start_ns"`
	Length time.Duration `json:"length_ns"`
	// InFlight and Queued are read at the interval's end.
	InFlight   int         `json:"in_flight"`
	Queued     int         `json:"queued"`
	Operations []Operation `json:"operations"`
	// Events are the events that ended in this interval.
	Events []Event `json:"events,omitempty"`
	// Generator holds the generator's observations of itself and its machine.
	Generator Pulse `json:"generator,omitzero"`
	// Members are the readings of the members at the beginning of the interval.
	Members []Reading `json:"members,omitempty"`
	// Moments are the moments with arrivals that ended in the interval, if the run was
	// requested to keep them.
	Moments []Moment `json:"moments,omitempty"`
}

// PhaseDrain is the phase after the load, in which nothing new is offered.
const PhaseDrain = "drain"

// Asked returns the requested operations that ended in the interval, regardless of the phase of
// their arrival, without their service and queue times.
func (i *Interval) Asked() []Operation {
	var list []Operation
	for _, o := range i.Operations {
		if !o.Arrived {
			o.ServiceTime, o.QueueTime = Latency{}, Latency{}
			list = append(list, o)
		}
	}
	return list
}

// Sum adds up the requested operations that ended in the interval, without service and queue
// times: the percentiles of a second are those of all operations that ended in it.
func (i *Interval) Sum() (Operation, error) { return Sum(i.Length, i.Asked()...) }

// Stalled reports whether operations were in flight or queued and none completed.
func (i *Interval) Stalled() bool {
	return i.Completed() == 0 && i.InFlight+i.Queued > 0 && i.Length > 500*time.Millisecond
}

// Completed returns the number of operations of Sum that completed.
func (i *Interval) Completed() (n uint64) {
	for _, o := range i.Asked() {
		n += o.Completed
	}
	return n
}

// Pulse describes the generator and its machine in one interval. Shares are between 0 and 1.
type Pulse struct {
	CPU       float64       `json:"cpu_share"`
	Machine   float64       `json:"machine_cpu_share"`
	Steal     float64       `json:"steal_share,omitempty"`
	Throttled time.Duration `json:"throttled_ns,omitempty"`
	GCPause   time.Duration `json:"gc_pause_ns,omitempty"`
	// SendLag is the p99 of the delay until arrivals reached a free client.
	SendLag time.Duration `json:"send_lag_p99_ns,omitempty"`
	// Stopped is the time for which the process was stopped. It is measured in runs with a
	// closed loop.
	Stopped time.Duration `json:"stopped_ns,omitempty"`
}
