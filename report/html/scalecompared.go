package html

import (
	"io"
	"math"
	"slices"

	"github.com/etcdbench/etcdbench/report/content"
	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
	"github.com/etcdbench/etcdbench/results/judge"
)

// WriteScaleCompared writes the page of a comparison of scale experiments: each figure over
// the size, with both sides overlaid.
func WriteScaleCompared(w io.Writer, c content.ScaleCompared) error {
	head, rows := c.Table()
	part := chapter{Title: sentence(c.Title()), Lead: c.Note(), Notes: c.Notes()}
	for at := 0; at < len(c.Rows); {
		end := at
		for end < len(c.Rows) && c.Rows[end].Figure == c.Rows[at].Figure {
			end++
		}
		part.Figures = append(part.Figures, scaleOverlay(c, c.Rows[at:end], table{Head: head, Rows: rows[at:end]}))
		at = end
	}
	part.Tables = []table{{Title: "Ratios by figure and amount of data", Words: true, Head: head, Rows: unbroken(rows)}}
	return page{Title: "etcdbench compare scale", Chapters: []chapter{part}}.write(w, nil)
}

// scaleOverlay draws one figure of both sides: a line and a colour for each, through the
// medians, and a dot for each ladder.
func scaleOverlay(c content.ScaleCompared, rows []judge.ScaleRatio, t table) figure {
	var at []float64
	lines := []line{
		{name: "base", class: scaleClasses[0], dots: true},
		{name: "candidate", class: scaleClasses[1], dots: true, shape: shapeCross, series: 1},
	}
	for _, r := range rows {
		at = append(at, float64(r.Size))
		for i, v := range []float64{r.Base, r.Candidate} {
			lines[i].at, lines[i].value = append(lines[i].at, float64(r.Size)), append(lines[i].value, v)
		}
	}
	key := keyOf(lines)
	for i, side := range [][]*results.Scale{c.Base, c.Candidate} {
		if len(side) > 1 {
			lines = append(lines, scaleDots(side, rows, lines[i]))
		}
	}
	low, high := bounds(lines, true)
	ch := chart{
		title: sentence(words.Clean(rows[0].Figure)), describe: "of both sides by amount of data", width: chartWidth, height: 220,
		x: axis{low: at[0] * 0.9, high: at[len(at)-1] * 1.1, log: true}, y: axis{low: low, high: high, log: true},
		xLabel: scaleBytes, yLabel: scaleLabel(rows[0].Unit), lines: lines,
	}
	return figure{Title: ch.title + ", by size of the data (log scales)", SVG: ch.svg(), Key: key, Table: t, At: places(at)}
}

// scaleDots are the single ladders of a side.
func scaleDots(side []*results.Scale, rows []judge.ScaleRatio, of line) line {
	dots := line{name: of.name, class: of.class, shape: of.shape, series: of.series, scattered: true, dots: true, unnamed: true}
	for _, s := range side {
		figures := judge.ScaleFigures(s)
		known := slices.IndexFunc(figures, func(f judge.ScaleFigure) bool { return f.Name == rows[0].Figure })
		for k := range s.Rungs {
			r := &s.Rungs[k]
			if known < 0 || !slices.ContainsFunc(rows, func(row judge.ScaleRatio) bool { return row.Size == r.Size }) {
				continue
			}
			if v := figures[known].Of(r); v > 0 && !math.IsInf(v, 0) {
				dots.at, dots.value = append(dots.at, float64(r.Size)), append(dots.value, v)
			}
		}
	}
	return dots
}
