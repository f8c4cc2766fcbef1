package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/etcdbench/etcdbench/bench/capacity"
	"github.com/etcdbench/etcdbench/results"
)

// A search without a result never exits with 0, whatever is known of higher rates.
func TestCapacityExitCodes(t *testing.T) {
	missed, undecided := results.Target{Verdict: results.TargetMissed}, results.Target{Verdict: results.TargetUndecided}
	for name, tt := range map[string]struct {
		found results.Capacity
		err   error
		want  int
	}{
		"found":                          {results.Capacity{Low: 100, High: 110}, nil, 0},
		"the load ends first":            {results.Capacity{Low: 4, Most: 4, Stopped: "the search ends at 4"}, nil, 0},
		"the generator's limit":          {results.Capacity{Low: 100, Stopped: "the generator's limit"}, nil, exitInvalid},
		"no result below an overload":    {results.Capacity{High: 400, Stopped: "the generator's limit"}, nil, exitInvalid},
		"no result at the end of a load": {results.Capacity{Most: 4, Stopped: "the generator's limit"}, nil, exitInvalid},
		"nothing sustained":              {results.Capacity{High: 100}, fmt.Errorf("%w: not even 1/s", capacity.ErrNothingSustained), exitFail},
		"inconclusive":                   {results.Capacity{}, fmt.Errorf("%w: at 1/s", capacity.ErrUnclear), exitInconclusive},
		"target missed":                  {results.Capacity{Low: 1, High: 2, Target: missed}, nil, exitFail},
		"target undecided":               {results.Capacity{Low: 1, High: 2, Target: undecided}, nil, exitInconclusive},
	} {
		var code exitError
		if err := capacityExit(&tt.found, tt.err, true); err != nil && !errors.As(err, &code) || code.code != tt.want {
			t.Errorf("%s: %v, code %d, want %d", name, err, code.code, tt.want)
		} else if name == "inconclusive" && !strings.HasSuffix(err.Error(), "at 1/s; use a higher --start or a longer --probe-duration") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
