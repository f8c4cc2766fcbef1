package runner

import "github.com/etcdbench/etcdbench/results"

// TransportAuto is the default of [Load].Transport: lean for unary calls, whatever the
// scenario.
const TransportAuto = "auto"

// transport is the one that is used.
func (l Load) transport() string {
	if chosen := pick(l.Transport, "", TransportAuto); chosen != TransportAuto {
		return chosen
	}
	return results.TransportLean
}
