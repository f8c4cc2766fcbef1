package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// Judgement is what one kind of experiment or gate found.
type Judgement interface {
	*results.Verdict | *results.Capacity | *results.Tuning
}

// FormatOf writes the judgements of one kind in one way.
type FormatOf[J Judgement] struct {
	Name  string
	Write func(w io.Writer, judgement J) error
}

// FormatsOf are the ways in which a kind of judgement can be written.
type FormatsOf[J Judgement] []FormatOf[J]

// Verdicts lists the formats of a gate.
func Verdicts() FormatsOf[*results.Verdict] {
	return FormatsOf[*results.Verdict]{
		{"text", writeVerdictText}, {"json", writeDocument[*results.Verdict]}, {"markdown", writeVerdictMarkdown}, {"junit", writeVerdictJUnit},
	}
}

// Capacities lists the formats of a capacity search.
func Capacities() FormatsOf[*results.Capacity] {
	return FormatsOf[*results.Capacity]{{"text", writeCapacityText}, {"json", writeDocument[*results.Capacity]}, {"html", writeCapacityHTML}}
}

// Tunings lists the formats of a tuning.
func Tunings() FormatsOf[*results.Tuning] {
	return FormatsOf[*results.Tuning]{{"text", writeTuningText}, {"json", writeDocument[*results.Tuning]}, {"html", writeTuningHTML}}
}

// Find returns the format of a name. The error lists the names there are.
func (list FormatsOf[J]) Find(name string) (FormatOf[J], error) {
	for _, f := range list {
		if f.Name == name {
			return f, nil
		}
	}
	return FormatOf[J]{}, fmt.Errorf("unknown format %q: there are %s", name, list.Names())
}

// Names lists the formats for a flag's help.
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
