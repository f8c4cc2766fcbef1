package report

import (
	"encoding/json"
	"io"
	"math"
	"strings"
)

// The document that etcd's own benchmark writes for the Kubernetes performance
// dashboard, version v1; times are milliseconds. A file of it is called
// EtcdAPI_benchmark_<operation>_<time>.json there.
type (
	perfdashReport struct {
		Version   string         `json:"version"`
		DataItems []perfdashItem `json:"dataItems"`
	}
	perfdashItem struct {
		Data   perfdashData      `json:"data"`
		Labels map[string]string `json:"labels"`
		Unit   string            `json:"unit"`
	}
	perfdashData struct {
		Perc50, Perc90, Perc99 float64
	}
)

// writePerfdash writes one document for each result, with an item for each
// measured operation.
func writePerfdash(w io.Writer, docs []Document) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	for _, d := range docs {
		out := perfdashReport{Version: "v1", DataItems: []perfdashItem{}}
		for _, o := range shownOperations(d.Run) {
			if o.Of != "" || o.Completed == 0 {
				continue
			}
			ms := func(ns int64) float64 { return math.Round(float64(ns)/100) / 10_000 }
			out.DataItems = append(out.DataItems, perfdashItem{
				Data: perfdashData{ms(o.ResponseTime.P50), ms(o.ResponseTime.P90), ms(o.ResponseTime.P99)},
				Unit: "ms", Labels: map[string]string{"Operation": strings.ToUpper(operationName(d.Run, o))},
			})
		}
		if err := enc.Encode(out); err != nil {
			return err
		}
	}
	return nil
}
