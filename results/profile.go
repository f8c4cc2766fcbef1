package results

import "time"

// GeneratorSource is the source of profiles of the generator itself. The profiles of members
// have the members' names.
const GeneratorSource = "generator"

// Profile is one pprof capture of a run, with its program, its kind and the operations that it
// covers.
type Profile struct {
	// Source is a member's name, or [GeneratorSource]. It is empty for the sum of all members,
	// which has no file.
	Source string `json:"source,omitempty"`
	// Kind is cpu, heap, mutex, block, goroutine or trace.
	Kind  string `json:"kind"`
	Phase string `json:"phase"`
	// Anomaly numbers the captures that a slow second caused; 0 means a planned capture.
	Anomaly int `json:"anomaly,omitempty"`
	// Start counts from the run's start. Operations is the number of requested operations of
	// all kinds that were completed meanwhile.
	Start      time.Duration `json:"start_ns"`
	Length     time.Duration `json:"length_ns"`
	Operations uint64        `json:"operations"`
	// File is the capture, relative to the run's directory.
	File string `json:"file,omitempty"`
	// Missing is the reason why there is no capture, or why it is empty.
	Missing string `json:"missing,omitempty"`
	// Unit is nanoseconds, bytes or goroutines; Total is over all functions.
	Unit  string `json:"unit,omitempty"`
	Total int64  `json:"total,omitempty"`
	// Growth is the growth of the number of goroutines since the phase began; for goroutines
	// only.
	Growth int64             `json:"growth,omitempty"`
	Top    []ProfileFunction `json:"top,omitempty"`
}

// ProfileFunction is the part of one function. Flat is its own part; Cum includes the functions
// that it called.
type ProfileFunction struct {
	Name string `json:"name"`
	Flat int64  `json:"flat"`
	Cum  int64  `json:"cum"`
}

// Profiled reports whether profiles were captured, which has a cost for the members and the
// generator.
func (r *Run) Profiled() bool {
	for _, p := range r.Profiles {
		if p.File != "" {
			return true
		}
	}
	return false
}
