package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string  `xml:"name,attr"`
	Tests     int     `xml:"tests,attr"`
	Failures  int     `xml:"failures,attr"`
	Skipped   int     `xml:"skipped,attr"`
	Time      float64 `xml:"time,attr"`
	Timestamp string  `xml:"timestamp,attr,omitempty"`
	// Properties are the figures of operations, and what one cost all members together.
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string  `xml:"name,attr"`
	Value float64 `xml:"value,attr"`
}

type junitCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Failure *junitIs `xml:"failure"`
	Skipped *junitIs `xml:"skipped"`
}

type junitIs struct {
	Message string `xml:"message,attr"`
}

// writeJUnit writes the outcome of a run for CI systems: completion, target, validity, proof
// and thresholds. What is undecided is skipped.
func writeJUnit(w io.Writer, docs []Document) error {
	var suites junitSuites
	for _, d := range docs {
		s := suiteOf(d.Run)
		s.thresholds(d)
		suites.Suites = append(suites.Suites, s)
	}
	return suites.write(w)
}

// write writes the suites as an XML document.
func (suites junitSuites) write(w io.Writer) error {
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suites); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// newJUnitSuite returns a suite without cases. Times that are zero are unknown.
func newJUnitSuite(name string, started, ended time.Time) junitSuite {
	s := junitSuite{Name: name}
	if started.IsZero() {
		return s
	}
	s.Timestamp = started.UTC().Format("2006-01-02T15:04:05")
	if ended.After(started) {
		s.Time = ended.Sub(started).Seconds()
	}
	return s
}

// add adds a case, which failed or was skipped where there is a reason for that.
func (s *junitSuite) add(class, name, failure, skipped string) {
	c := junitCase{Class: class, Name: name}
	switch {
	case failure != "":
		c.Failure = &junitIs{words.Clean(failure)}
		s.Failures++
	case skipped != "":
		c.Skipped = &junitIs{words.Clean(skipped)}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
	s.Tests++
}

// judge adds a case with a verdict: what neither passed nor failed is skipped.
func (s *junitSuite) judge(class, name, verdict, message string) {
	switch verdict {
	case results.Pass:
		s.add(class, name, "", "")
	case results.Fail:
		s.add(class, name, message, "")
	default:
		s.add(class, name, "", message)
	}
}

// thresholds adds a case for each threshold of a run's plan. A run that cannot be judged by
// them has one case that is skipped.
func (s *junitSuite) thresholds(d Document) {
	class := "etcdbench." + words.Clean(d.Plan.Workload)
	v, err := content.Thresholds(d)
	switch {
	case err != nil:
		s.add(class, "thresholds", "", err.Error())
		return
	case v == nil:
		return
	}
	for i, row := range content.CheckRows(v) {
		message := "measured " + row[1] + ": " + row[3]
		if row[2] != "" {
			message = "measured " + row[1] + " (" + row[2] + "): " + row[3]
		}
		s.judge(class, "threshold "+row[0], v.Checks[i].Verdict, message)
	}
}

func suiteOf(r *results.Run) junitSuite {
	s := junitSuite{
		Name:      "etcdbench " + words.Clean(r.Plan.Workload) + " " + words.Clean(r.ID),
		Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05"),
	}
	for _, o := range content.Operations(r) {
		s.Properties = append(s.Properties, operationProperties(o)...)
	}
	if n := content.OmittedOperations(r); n > 0 {
		s.Properties = append(s.Properties, junitProperty{"omitted_operations", float64(n)})
	}
	if r.Server != nil {
		for _, c := range r.Server.Cost {
			for _, f := range results.CostFigures() {
				if v, ok := c.Figures[f.Name]; ok && c.Member == "" {
					s.Properties = append(s.Properties, junitProperty{strings.Trim("cost."+words.Clean(c.Phase)+"."+f.Name+"."+f.Unit, "."), v})
				}
			}
		}
	}
	for _, ph := range r.Phases {
		s.Time += ph.Length.Round(time.Millisecond).Seconds()
	}
	class := "etcdbench." + words.Clean(r.Plan.Workload)
	failure := ""
	if r.Outcome != results.Completed {
		failure = content.Outcome(r)
	}
	s.add(class, "completed", failure, "")
	s.add(class, "validity", "", validityOf(r.Validity))
	failure, skipped := targetOf(r.Target)
	s.add(class, "target", failure, skipped)
	if p := r.Proof; p != nil {
		failure, skipped = "", ""
		if p.Verdict == results.Violated {
			failure = fmt.Sprintf("violations: %d", p.Found)
			for _, v := range p.Violations[:min(1, len(p.Violations))] {
				failure += fmt.Sprintf(", the first: %s %s: expected %s; found %s", v.Check, v.Key, v.Expected, v.Found)
			}
		} else if p.Verdict != results.Proved {
			skipped = "the check is incomplete"
		}
		s.add(class, "proof", failure, skipped)
	}
	return s
}

// operationProperties are the figures of an operation. Percentiles that are not resolved
// are left out; those that are lower bounds have names of their own.
func operationProperties(o results.Operation) []junitProperty {
	if o.Of != "" {
		return nil
	}
	prefix := words.Clean(o.Phase) + "." + words.Clean(o.Op) + "."
	list := []junitProperty{{prefix + "throughput", o.Throughput}, {prefix + "error_rate", o.ErrorRate()}}
	for _, q := range o.Percentiles(50, 99) {
		name := prefix + "response_time." + q.Name()
		if q.AtLeast {
			name += ".at_least"
		}
		if q.Resolved {
			list = append(list, junitProperty{name + ".ns", float64(q.Time)})
		}
	}
	return list
}

func validityOf(v results.Validity) string {
	if v.Verdict == results.Valid {
		return ""
	}
	text := v.Verdict
	for _, r := range v.Reasons {
		text += ", " + r.Code + ": " + r.Message
	}
	return text
}

func targetOf(t results.Target) (failure, skipped string) {
	text := fmt.Sprintf("%s of %s writes/s", words.Rate(t.Achieved), words.Rate(t.Writes))
	switch t.Verdict {
	case results.TargetMet:
		return "", ""
	case results.TargetMissed:
		return "missed: " + text, ""
	}
	if t.Reason != "" {
		text += ": " + t.Reason
	}
	return "", t.Verdict + ": " + text
}
