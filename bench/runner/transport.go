package runner

import "github.com/etcdbench/etcdbench/results"

// TransportAuto is the default of [Load].Transport: the lean transport for unary calls, in
// every scenario.
const TransportAuto = "auto"

// transport returns the transport to use.
func (l Load) transport() string {
	if chosen := pick(l.Transport, "", TransportAuto); chosen != TransportAuto {
		return chosen
	}
	return results.TransportLean
}
