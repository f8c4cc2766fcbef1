package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/report/html"
	"github.com/etcdbench/etcdbench/results"
)

// A Judgement is the result of a gate, an experiment or a comparison.
type Judgement interface {
	*results.Verdict | *results.Capacity | *results.Tuning | *results.Published | *results.Scale | Compared | ScaleCompared
}

// A FormatOf writes the judgements of one kind in one way.
type FormatOf[J Judgement] struct {
	// Name is what users call the format.
	Name string
	// Write writes one judgement to w.
	Write func(w io.Writer, judgement J) error
}

// FormatsOf is the list of formats for one kind of judgement.
type FormatsOf[J Judgement] []FormatOf[J]

// Verdicts returns the formats of a gate's verdict.
func Verdicts() FormatsOf[*results.Verdict] {
	return FormatsOf[*results.Verdict]{
		{"text", writeVerdictText}, {"json", writeDocument[*results.Verdict]}, {"markdown", writeVerdictMarkdown},
		{"junit", writeVerdictJUnit}, {"html", html.WriteVerdict},
	}
}

// WriteVerdictPage writes the page of a verdict for the directory of its result, in which
// the page of a release check leads to those of its scenarios. The format html has no such
// links, because its page may be kept anywhere.
func WriteVerdictPage(w io.Writer, v *results.Verdict) error { return html.WriteReleaseCheck(w, v) }

// Capacities returns the formats of a capacity search.
func Capacities() FormatsOf[*results.Capacity] {
	return FormatsOf[*results.Capacity]{
		{"text", writeCapacityText}, {"json", writeDocument[*results.Capacity]}, {"markdown", writeCapacityMarkdown},
		{"junit", writeCapacityJUnit}, {"html", html.WriteCapacity},
	}
}

// Tunings returns the formats of a tuning.
func Tunings() FormatsOf[*results.Tuning] {
	return FormatsOf[*results.Tuning]{
		{"text", writeTuningText}, {"json", writeDocument[*results.Tuning]}, {"markdown", writeTuningMarkdown},
		{"junit", writeTuningJUnit}, {"html", html.WriteTuning},
	}
}

// Comparisons returns the formats of a comparison with published figures.
func Comparisons() FormatsOf[*results.Published] {
	return FormatsOf[*results.Published]{
		{"text", writePublishedText}, {"json", writeDocument[*results.Published]}, {"markdown", writePublishedMarkdown},
		{"html", html.WritePublished},
	}
}

// SideComparisons returns the formats of a comparison of saved runs.
func SideComparisons() FormatsOf[Compared] {
	return FormatsOf[Compared]{
		{"text", writeComparisonText}, {"json", writeComparisonJSON}, {"markdown", writeComparisonMarkdown},
		{"csv", writeComparisonCSV}, {"html", html.WriteComparison},
	}
}

// Scales returns the formats of a scale experiment.
func Scales() FormatsOf[*results.Scale] {
	return FormatsOf[*results.Scale]{
		{"text", writeScaleText}, {"json", writeDocument[*results.Scale]}, {"markdown", writeScaleMarkdown},
		{"junit", writeScaleJUnit}, {"html", html.WriteScale},
	}
}

// Find returns the format of a name. Its error lists the names.
func (list FormatsOf[J]) Find(name string) (FormatOf[J], error) {
	for _, f := range list {
		if f.Name == name {
			return f, nil
		}
	}
	return FormatOf[J]{}, fmt.Errorf("unknown format %q: use %s", name, list.Names())
}

// Names returns the names of the formats for a flag's help.
func (list FormatsOf[J]) Names() string {
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}

func writeDocument[J Judgement](w io.Writer, judgement J) error {
	data, err := results.Encode(judgement)
	if err != nil {
		return err
	}
	_, err = w.Write(data)
	return err
}
