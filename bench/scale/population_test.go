package scale

import (
	"testing"
	"testing/synctest"
	"time"
)

// The progress of a population gives its share and the time that the rest takes, now and then.
func TestPopulationProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []Progress
		report := populated(Progress{Activity: populationStage}, func(p Progress) { told = append(told, p) })
		for done := int64(1); done <= 20; done++ {
			time.Sleep(time.Second)
			report(done, 20)
		}
		if len(told) != 3 || told[0].Share != 0.25 || told[0].Left != 15*time.Second || told[2].Left != 5*time.Second {
			t.Errorf("%+v", told)
		}
	})
	var s speed
	if got := s.time(usualSpeed); got != time.Second {
		t.Errorf("without a measurement: %v", got)
	}
	s.add(100, time.Second)
	s.add(300, time.Second)
	if got := s.time(1000); got != 5*time.Second {
		t.Errorf("1000 bytes at 200 bytes/s: %v", got)
	}
}
