package content

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// mostAgents is how many agents a report shows.
const mostAgents = 50

// AgentHead names the columns of the table of agents.
func AgentHead() []string {
	return []string{
		"agent", "host", "clients", "offered", "acknowledged", "not offered", "send lag p99", "clock offset", "clock drift", "CPU", "validity",
	}
}

// AgentRows is the table of the agents of a distributed run, without its head: those that
// failed first, then the others by their validity, worst first. A line about those that it
// leaves out follows from their number.
func AgentRows(r *results.Run) (rows [][]string, left int) {
	agents := slices.Clone(r.Agents)
	rank := map[string]int{results.Invalid: 0, results.Degraded: 1, results.Valid: 2}
	slices.SortStableFunc(agents, func(a, b results.Agent) int {
		if (a.Failure != "") != (b.Failure != "") {
			return strings.Compare(b.Failure, a.Failure)
		}
		return rank[a.Validity.Verdict] - rank[b.Validity.Verdict]
	})
	if len(agents) > mostAgents {
		agents, left = agents[:mostAgents], len(agents)-mostAgents
	} else {
		slices.SortFunc(agents, func(a, b results.Agent) int { return a.Index - b.Index })
	}
	for _, a := range agents {
		rows = append(rows, []string{
			fmt.Sprint(a.Index), words.Clean(a.Host), words.Count(a.Clients), words.Count(a.Offered), words.Count(a.Acknowledged),
			words.Count(a.NotOffered), PercentileCell(a.Validity.Generator.SendLag.Percentile(99)),
			signed(int64(a.Offset)) + " ± " + words.Duration(int64(a.OffsetBound)), signed(int64(a.Drift)), words.Percent(a.Validity.Generator.CPU),
			agentValidity(a),
		})
	}
	return rows, left
}

// signed is a duration that may be negative.
func signed(ns int64) string {
	if ns < 0 {
		return "-" + words.Duration(-ns)
	}
	return words.Duration(ns)
}

// agentValidity is the verdict on an agent with the codes of its reasons.
func agentValidity(a results.Agent) string {
	if a.Failure != "" {
		return words.Clean(results.Invalid + ": " + a.Failure)
	}
	var codes []string
	for _, r := range a.Validity.Reasons {
		codes = append(codes, r.Code)
	}
	if len(codes) == 0 {
		return words.Clean(a.Validity.Verdict)
	}
	return words.Clean(a.Validity.Verdict + ": " + strings.Join(codes, ", "))
}
