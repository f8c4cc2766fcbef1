package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
)

// perfdashReport is the document that etcd's own benchmark writes for the Kubernetes performance
// dashboard, version v1. Times are in milliseconds. The dashboard's name for such a file is
// EtcdAPI_benchmark_<operation>_<time>.json. Percentiles that are not resolved are left out. The label
// LowerBounds names those that are lower bounds. A second item has the error rate.
type (
	perfdashReport struct {
		Version   string         `json:"version"`
		DataItems []perfdashItem `json:"dataItems"`
	}
	perfdashItem struct {
		Data   map[string]float64 `json:"data"`
		Labels map[string]string  `json:"labels"`
		Unit   string             `json:"unit"`
	}
)

// writePerfdash writes one document for each result, with an item for each
// measured operation.
func writePerfdash(w io.Writer, docs []Document) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	for _, d := range docs {
		out := perfdashReport{Version: "v1", DataItems: []perfdashItem{}}
		for _, o := range perfdashOperations(d) {
			out.DataItems = append(out.DataItems, perfdashItems(d, o)...)
		}
		if n := content.OmittedOperations(d.Run); n > 0 {
			out.DataItems = append(out.DataItems, perfdashItem{
				Data: map[string]float64{"OmittedOperations": float64(n)}, Unit: "count", Labels: map[string]string{},
			})
		}
		if err := enc.Encode(out); err != nil {
			return err
		}
	}
	return nil
}

// perfdashFiles are one document for each operation, under the names that
// perfdash looks for.
func perfdashFiles(docs []Document) ([]File, error) {
	var files []File
	for _, d := range docs {
		for _, o := range perfdashOperations(d) {
			data, err := json.MarshalIndent(perfdashReport{Version: "v1", DataItems: perfdashItems(d, o)}, "", "  ")
			if err != nil {
				return nil, err
			}
			op := strings.Map(func(r rune) rune {
				if r == '/' || r == ' ' || r == filepath.Separator {
					return '-'
				}
				return r
			}, content.OperationName(d.Run, o))
			files = append(files, File{fmt.Sprintf("EtcdAPI_benchmark_%s_%s.json", op, d.Started.UTC().Format(time.RFC3339)), append(data, '\n')})
		}
	}
	return files, nil
}

func perfdashOperations(d Document) []results.Operation {
	return slices.DeleteFunc(content.Operations(d.Run), func(o results.Operation) bool { return o.Of != "" || o.Ended() == 0 })
}

func perfdashItems(d Document, o results.Operation) []perfdashItem {
	name := strings.ToUpper(content.OperationName(d.Run, o))
	times := perfdashItem{Data: map[string]float64{}, Unit: "ms", Labels: map[string]string{"Operation": name}}
	var bounds []string
	for _, q := range o.Percentiles(50, 90, 99) {
		key := fmt.Sprintf("Perc%g", q.P)
		if q.Resolved {
			times.Data[key] = math.Round(float64(q.Time)/100) / 10_000
		}
		if q.Resolved && q.AtLeast {
			bounds = append(bounds, key)
		}
	}
	if len(bounds) > 0 {
		times.Labels["LowerBounds"] = strings.Join(bounds, " ")
	}
	errors := perfdashItem{
		Data: map[string]float64{"ErrorRate": o.ErrorRate()}, Unit: "ratio", Labels: map[string]string{"Operation": name},
	}
	return []perfdashItem{times, errors}
}
