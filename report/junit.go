package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

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
	// Properties are what an operation cost all members together.
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

// writeJUnit writes what a run was asked and answered, for CI systems: did it
// come to its end, was the target met, was the measurement valid, did the proof
// hold. What a run cannot tell is skipped.
func writeJUnit(w io.Writer, docs []Document) error {
	var suites junitSuites
	for _, d := range docs {
		suites.Suites = append(suites.Suites, suiteOf(d.Run))
	}
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

func suiteOf(r *results.Run) junitSuite {
	s := junitSuite{Name: "etcdbench " + clean(r.Plan.Workload) + " " + clean(r.ID), Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
	if r.Server != nil {
		for _, c := range r.Server.Cost {
			for _, f := range results.CostFigures() {
				if v, ok := c.Figures[f.Name]; ok && c.Member == "" {
					s.Properties = append(s.Properties, junitProperty{strings.Trim("cost."+clean(c.Phase)+"."+f.Name+"."+f.Unit, "."), v})
				}
			}
		}
	}
	for _, ph := range r.Phases {
		s.Time += ph.Length.Round(time.Millisecond).Seconds()
	}
	add := func(name, failure, skipped string) {
		c := junitCase{Class: "etcdbench." + clean(r.Plan.Workload), Name: name}
		switch {
		case failure != "":
			c.Failure = &junitIs{clean(failure)}
			s.Failures++
		case skipped != "":
			c.Skipped = &junitIs{clean(skipped)}
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
		s.Tests++
	}
	failure := ""
	if r.Outcome != results.Completed {
		failure = string(r.Outcome) + ": " + r.Reason
	}
	add("completed", failure, "")
	add("validity", "", validityOf(r.Validity))
	failure, skipped := targetOf(r.Target)
	add("target", failure, skipped)
	if p := r.Proof; p != nil {
		failure, skipped = "", ""
		if p.Verdict == results.Violated {
			failure = fmt.Sprintf("violations: %d", p.Found)
			for _, v := range p.Violations[:min(1, len(p.Violations))] {
				failure += fmt.Sprintf(", the first: %s %s: expected %s; found %s", v.Check, v.Key, v.Expected, v.Found)
			}
		} else if p.Verdict != results.Proved {
			skipped = "not everything could be checked"
		}
		add("proof", failure, skipped)
	}
	return s
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
	text := fmt.Sprintf("%s of %s writes/s", rate(t.Achieved), rate(t.Writes))
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
