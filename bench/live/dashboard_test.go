package live_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/etcdbench/etcdbench/bench/live"
	"github.com/etcdbench/etcdbench/results"
)

// dashboard is what a test needs to know of docs/grafana.json.
type dashboard struct {
	Templating struct {
		List []struct {
			Name  string
			Query json.RawMessage
		}
	}
	Panels []struct {
		ID                 int
		Title, Description string
		GridPos            struct{ X, Y, W, H int }
		Targets            []struct{ RefID, Expr string }
	}
}

// exported are the metric families of a run, by name.
func exported(t *testing.T) map[string]*dto.MetricFamily {
	e, err := live.New()
	check(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	done := make(chan error, 1)
	go func() { done <- e.Serve(l) }()
	check(t, e.Start(plan()))
	times := latency(t, map[time.Duration]int64{time.Millisecond: 9})
	check(t, e.Interval(&results.Interval{Operations: []results.Operation{{Phase: "measure", Op: "put", Completed: 9, ResponseTime: times, ServiceTime: times}}}))
	families := scrape(t, l.Addr().String(), "text/plain")
	_ = l.Close()
	check(t, <-done)
	return families
}

var (
	metricName    = regexp.MustCompile(`\betcdbench_[a-z0-9_]+`)
	labelMatcher  = regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	labelGrouping = regexp.MustCompile(`by \(([a-z_, ]+)\)`)
)

// familyOf returns the family that a name in a query belongs to: "_bucket", "_sum" and
// "_count" are parts of a histogram.
func familyOf(families map[string]*dto.MetricFamily, name string) *dto.MetricFamily {
	if f := families[name]; f != nil {
		return f
	}
	for _, part := range []string{"_bucket", "_sum", "_count"} {
		if base, ok := strings.CutSuffix(name, part); ok && families[base].GetType() == dto.MetricType_HISTOGRAM {
			return families[base]
		}
	}
	return nil
}

// labelsOf are the labels of a family.
func labelsOf(f *dto.MetricFamily) []string {
	labels := []string{"le"}
	for _, l := range f.GetMetric()[0].GetLabel() {
		labels = append(labels, l.GetName())
	}
	return labels
}

// checkQuery returns what a query has against the exported metrics.
func checkQuery(families map[string]*dto.MetricFamily, query string) (used, problems []string) {
	names := metricName.FindAllString(query, -1)
	if len(names) == 0 {
		return nil, []string{"the query has no metric"}
	}
	var asked []string
	for _, m := range labelMatcher.FindAllStringSubmatch(query, -1) {
		asked = append(asked, m[1])
	}
	for _, m := range labelGrouping.FindAllStringSubmatch(query, -1) {
		asked = append(asked, strings.Split(m[1], ", ")...)
	}
	for _, name := range names {
		f := familyOf(families, name)
		if f == nil {
			problems = append(problems, "no metric "+name)
			continue
		}
		used = append(used, f.GetName())
		for _, label := range asked {
			if !slices.Contains(labelsOf(f), label) {
				problems = append(problems, name+" has no label "+label)
			}
		}
	}
	for _, pair := range []string{"()", "{}", "[]"} {
		if strings.Count(query, pair[:1]) != strings.Count(query, pair[1:]) {
			problems = append(problems, "brackets that do not match: "+pair)
		}
	}
	return used, problems
}

// The dashboard asks for metrics and labels that are exported, for all of them, and its
// panels do not overlap.
func TestDashboard(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "grafana.json"))
	check(t, err)
	var d dashboard
	check(t, json.Unmarshal(data, &d))
	families, used := exported(t), map[string]bool{}
	taken := map[[2]int]int{}
	for _, p := range d.Panels {
		if p.Title == "" || p.Description == "" || len(p.Targets) == 0 {
			t.Errorf("panel %d has no title, no description or no query", p.ID)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other > 0 || x >= 24 {
					t.Fatalf("panels %d and %d overlap, or the grid ends", p.ID, other)
				}
				taken[[2]int{x, y}] = p.ID
			}
		}
		for _, target := range p.Targets {
			names, problems := checkQuery(families, target.Expr)
			for _, problem := range problems {
				t.Errorf("panel %q, query %s: %s", p.Title, target.RefID, problem)
			}
			for _, name := range names {
				used[name] = true
			}
		}
	}
	for name := range families {
		if !used[name] {
			t.Errorf("no panel shows %s", name)
		}
	}
	for _, v := range d.Templating.List {
		for _, name := range metricName.FindAllString(string(v.Query), -1) {
			if familyOf(families, name) == nil {
				t.Errorf("variable %s: no metric %s", v.Name, name)
			}
		}
	}
}

// The check of queries finds metrics and labels that do not exist.
func TestDashboardIsChecked(t *testing.T) {
	families := exported(t)
	for query, want := range map[string]string{
		`sum(etcdbench_gone{run="x"})`: "no metric etcdbench_gone", `etcdbench_queued_bucket`: "no metric etcdbench_queued_bucket",
		`etcdbench_queued{member="m1"}`: "has no label member", `sum by (le, zone) (etcdbench_response_time_seconds_bucket)`: "has no label zone",
		`sum(etcdbench_queued`: "brackets", `up`: "no metric",
		`sum by (le, operation) (rate(etcdbench_response_time_seconds_bucket{run=~"$run"}[1m]))`: "",
	} {
		_, problems := checkQuery(families, query)
		if got := strings.Join(problems, "; "); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}
