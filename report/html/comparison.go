package html

import (
	"github.com/etcdbench/etcdbench/report/content"
)

// comparisonSection is the comparison's part of a page.
func comparisonSection(c content.Compared) section {
	head, rows, one := c.Table()
	s := section{Title: c.Title(), Table: table{Head: head, Rows: rows}}
	if one {
		s.Lead = content.Descriptive
	}
	return s
}
