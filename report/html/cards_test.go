package html

import (
	"testing"

	"github.com/etcdbench/etcdbench/results"
)

// An availability is shown as good only where every operation was answered in time.
func TestAvailabilityCard(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a    results.Availability
		want string
	}{
		{results.Availability{Share: 1}, "good"},
		{results.Availability{Share: 0.9505}, "warn"}, // single failures, without an outage
		{results.Availability{Share: 0.99, Count: 1, Longest: 1e9, Total: 1e9}, "warn"},
	} {
		for _, card := range verdictCards(&results.Run{Availability: &c.a}) {
			if card.Name == "availability" && card.Class != c.want {
				t.Errorf("%+v is %s, want %s", c.a, card.Class, c.want)
			}
		}
	}
}
