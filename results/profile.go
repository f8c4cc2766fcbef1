package results

import "time"

// GeneratorSource is the source of profiles that show the generator itself; those of
// members have the members' names.
const GeneratorSource = "generator"

// Profile is one pprof capture of a run: which program, which kind, and the
// operations that it covers.
type Profile struct {
	// Source is a member's name, or [GeneratorSource]; empty for all members
	// together, which have no file of their own.
	Source string `json:"source,omitempty"`
	// Kind is cpu, heap, mutex, block, goroutine or trace.
	Kind  string `json:"kind"`
	Phase string `json:"phase"`
	// Anomaly numbers the captures that a slow second caused; 0 for those that
	// were planned.
	Anomaly int `json:"anomaly,omitempty"`
	// Start counts from the run's start. Operations were completed meanwhile:
	// those that were asked for, of all kinds together.
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
	// Growth is by how much what was there at the moment had grown since the
	// phase began; goroutines only.
	Growth int64             `json:"growth,omitempty"`
	Top    []ProfileFunction `json:"top,omitempty"`
}

// ProfileFunction is one function's part: Flat is its own, Cum includes what it
// called.
type ProfileFunction struct {
	Name string `json:"name"`
	Flat int64  `json:"flat"`
	Cum  int64  `json:"cum"`
}

// Profiled reports whether profiles were taken, which costs the members and the
// generator something that other runs do not pay.
func (r *Run) Profiled() bool {
	for _, p := range r.Profiles {
		if p.File != "" {
			return true
		}
	}
	return false
}
