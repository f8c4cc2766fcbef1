package html

import (
	"io"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/results"
)

// WritePublished writes the page of a comparison with published figures.
func WritePublished(w io.Writer, p *results.Published) error {
	head, rows := content.PublishedTable(p)
	const title = "Published figures of etcd's operations guide and measured figures"
	c := chapter{Title: title, Tables: []table{
		{Title: "Rows", Words: true, Head: head, Rows: unbroken(rows)},
		{Title: "Conditions", Words: true, Rows: oneColumn(content.PublishedNotes(p))},
	}}
	return page{Title: "etcdbench " + title, Chapters: []chapter{c}}.write(w, nil)
}
