package report

import (
	"io"

	"github.com/etcdbench/etcdbench/results"
)

// writeJSON writes the documents one after the other, as they are stored.
func writeJSON(w io.Writer, docs []Document) error {
	for _, d := range docs {
		data, err := results.Encode(d.Run)
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}
