package main

import (
	"fmt"
	"io"
	"strings"
)

// check is something that must not happen.
type check string

// The checks.
const (
	hang     check = "hang"
	crash    check = "panic"
	orphan   check = "orphan"
	foreign  check = "foreign data"
	lost     check = "lost result"
	memory   check = "memory"
	exitCode check = "exit code"
)

func checks() []check { return []check{hang, crash, orphan, foreign, lost, memory, exitCode} }

// table counts findings by kind of trial.
type table struct {
	order []string
	rows  map[string]*row
}

type row struct {
	trials   int
	findings map[check]int
	peak     int64
}

func (t *table) add(trial *trial) {
	if t.rows == nil {
		t.rows = map[string]*row{}
	}
	r := t.rows[trial.kind]
	if r == nil {
		r = &row{findings: map[check]int{}}
		t.rows[trial.kind], t.order = r, append(t.order, trial.kind)
	}
	r.trials++
	r.peak = max(r.peak, trial.peak)
	for _, f := range trial.findings {
		r.findings[f.check]++
	}
}

// write prints the table in Markdown, with the kinds in the order in which they are listed.
func (t *table) write(w io.Writer) {
	head := []string{"trials of", "number"}
	for _, c := range checks() {
		head = append(head, string(c))
	}
	head = append(head, "peak (MiB)")
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat(" --- |", len(head)))
	for _, name := range kindNames() {
		r := t.rows[name]
		if r == nil {
			continue
		}
		cells := []string{name, fmt.Sprint(r.trials)}
		for _, c := range checks() {
			cells = append(cells, fmt.Sprint(r.findings[c]))
		}
		fmt.Fprintf(w, "| %s | %d |\n", strings.Join(cells, " | "), r.peak>>20)
	}
}
