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

	"github.com/etcdbench/etcdbench/results"
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
		for _, o := range perfdashOperations(d) {
			out.DataItems = append(out.DataItems, newPerfdashItem(d, o))
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
			data, err := json.MarshalIndent(perfdashReport{Version: "v1", DataItems: []perfdashItem{newPerfdashItem(d, o)}}, "", "  ")
			if err != nil {
				return nil, err
			}
			op := strings.Map(func(r rune) rune {
				if r == '/' || r == ' ' || r == filepath.Separator {
					return '-'
				}
				return r
			}, operationName(d.Run, o))
			files = append(files, File{fmt.Sprintf("EtcdAPI_benchmark_%s_%s.json", op, d.Started.UTC().Format(time.RFC3339)), append(data, '\n')})
		}
	}
	return files, nil
}

func perfdashOperations(d Document) []results.Operation {
	return slices.DeleteFunc(shownOperations(d.Run), func(o results.Operation) bool { return o.Of != "" || o.Completed == 0 })
}

func newPerfdashItem(d Document, o results.Operation) perfdashItem {
	ms := func(ns int64) float64 { return math.Round(float64(ns)/100) / 10_000 }
	return perfdashItem{
		Data: perfdashData{ms(o.ResponseTime.P50), ms(o.ResponseTime.P90), ms(o.ResponseTime.P99)},
		Unit: "ms", Labels: map[string]string{"Operation": strings.ToUpper(operationName(d.Run, o))},
	}
}
