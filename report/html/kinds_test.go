package html

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/reporttest"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// withAgents is a mix of operations that two agents offered, of which one failed.
func withAgents(t *testing.T) *results.Run {
	run := reporttest.Mixture(t)
	run.Agents = []results.Agent{
		{Host: "generator-1.example", Clients: 64, Conns: 4, Offered: 50_000, Acknowledged: 49_990, Offset: 1200 * time.Microsecond,
			OffsetBound: 300 * time.Microsecond, Drift: -40 * time.Microsecond, Validity: results.Validity{Verdict: results.Valid, Generator: run.Validity.Generator}},
		{Index: 1, Host: "generator-2.example", Clients: 64, Conns: 4, Offered: 30_000, Acknowledged: 29_990, NotOffered: 20_010,
			Failure: "no message for 10s", Validity: results.Validity{Verdict: results.Invalid}},
	}
	return run
}

// pagesOfEachKind are pages of all kinds of documents, by the kind.
func pagesOfEachKind(t *testing.T) map[string]string {
	pages := map[string]string{}
	add := func(kind string, write func(w io.Writer) error) {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(kind, ": ", err)
		}
		pages[kind] = b.String()
	}
	run := reporttest.LongRun(t, 20, 2, 3)
	run.Views = []content.View{{Title: "CPU", Page: `<html><body><button type="button">main</button></body></html>`}}
	pages["run"], pages["mix"] = render(t, run), render(t, reporttest.Document(t, reporttest.Mixture(t)))
	pages["profiles"], pages["agents"] = render(t, reporttest.Profiled(t)), render(t, reporttest.Document(t, withAgents(t)))
	compared := twoSides(t)
	compared.Base, compared.Candidate = compared.Base[:1], compared.Candidate[:1]
	add("comparison", func(w io.Writer) error { return WriteComparison(w, compared) })
	for gate, v := range reporttest.GateVerdicts() {
		add("gate "+gate, func(w io.Writer) error { return WriteReleaseCheck(w, v) })
	}
	add("capacity", func(w io.Writer) error { return WriteCapacity(w, reporttest.CapacitySearch(t)) })
	add("tuning", func(w io.Writer) error { return WriteTuning(w, reporttest.PairTuning(t)) })
	add("scale", func(w io.Writer) error { return WriteScale(w, reporttest.Scale(t)) })
	sides := content.ScaleCompared{Base: []*results.Scale{reporttest.Scale(t)}, Candidate: []*results.Scale{reporttest.Scale(t)}}
	sides.Rows = judge.CompareScales(sides.Base, sides.Candidate)
	add("scale comparison", func(w io.Writer) error { return WriteScaleCompared(w, sides) })
	add("published", func(w io.Writer) error { return WritePublished(w, reporttest.Published()) })
	add("history", func(w io.Writer) error {
		runs := reporttest.PastRuns(t)
		return WriteHistory(w, content.NewHistory(runs, []results.SeriesChange{reporttest.LevelChange(runs)}, []string{"read result x: truncated"}))
	})
	return pages
}
