package cluster

import (
	"io"
	"strings"
	"testing"
)

// endless repeats a text for ever.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(p []byte) (n int, err error) {
	for n < len(p) {
		k := copy(p[n:], e.text[e.at:])
		n, e.at = n+k, (e.at+k)%len(e.text)
	}
	return n, nil
}

const goodPage = `# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total 1.5
# TYPE go_gc_duration_seconds summary
go_gc_duration_seconds{quantile="0.5"} NaN
go_gc_duration_seconds_sum 0.25
go_gc_duration_seconds_count 3
# TYPE etcd_disk_wal_fsync_duration_seconds histogram
etcd_disk_wal_fsync_duration_seconds_bucket{le="0.001"} 2
etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"} 4
etcd_disk_wal_fsync_duration_seconds_sum 0.5
etcd_disk_wal_fsync_duration_seconds_count 4
# TYPE unknown_metric gauge
unknown_metric NaN
`

// A page holds the figures that are read, or there is an error, whatever a member sends.
func TestReadPage(t *testing.T) {
	wanted := wantedFamilies()
	p, err := readPage(strings.NewReader(goodPage), wanted)
	if err != nil || len(p) != 3 {
		t.Fatalf("%d families, %v", len(p), err)
	}
	v := values(p, 0)
	if v["cpu"] != 1.5 || v["gc_pause"] != 0.25 || v["gc_cycles"] != 3 || v["fsyncs"] != 4 || v["fsync_time"] != 0.5 {
		t.Errorf("values %v", v)
	}
	for name, test := range map[string]struct {
		page io.Reader
		want string
	}{
		"nan":         {strings.NewReader("process_cpu_seconds_total NaN\n"), "process_cpu_seconds_total is NaN"},
		"infinite":    {strings.NewReader("process_cpu_seconds_total +Inf\n"), "process_cpu_seconds_total is +Inf"},
		"huge":        {strings.NewReader("process_cpu_seconds_total -1e300\n"), "process_cpu_seconds_total is -1e+300"},
		"nan sum":     {strings.NewReader(strings.Replace(goodPage, "seconds_sum 0.5", "seconds_sum NaN", 1)), "the sum is NaN"},
		"huge bound":  {strings.NewReader(strings.Replace(goodPage, `le="0.001"`, `le="1e300"`, 1)), "bound 1e+300"},
		"long line":   {&endless{text: "x"}, "a line has more than 64 KiB"},
		"endless":     {&endless{text: "unknown 1\n"}, "more than 8 MiB"},
		"same figure": {&endless{text: "process_cpu_seconds_total{a=\"b\"} 1\n"}, "have more than 1024 KiB"},
		"no metrics":  {strings.NewReader("process_cpu_seconds_total <html>\n"), "text format parsing error"},
	} {
		if _, err := readPage(test.page, wanted); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
