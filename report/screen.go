package report

import (
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Screen is a terminal that a report is written to. The text formats fit their tables to
// its width, wrap their sentences and mark verdicts with ✓ and ✗. To any other writer they
// write the same text without limits and marks.
type Screen struct {
	io.Writer
	// Columns is the width of the terminal; 0 means unlimited.
	Columns int
	// Color means that marks have colours.
	Color bool
}

// screenOf returns the screen that w is, or one without limits and marks.
func screenOf(w io.Writer) (s Screen, terminal bool) {
	s, terminal = w.(Screen)
	if !terminal {
		s = Screen{Writer: w}
	}
	return s, terminal
}

// on returns a writer that is as the screen, where w is one, and writes to b.
func on(w io.Writer, b *strings.Builder) io.Writer {
	if s, terminal := screenOf(w); terminal {
		s.Writer = b
		return s
	}
	return b
}

// The words that are marked, by their meaning.
var (
	goodWords = []string{"pass", "met", "proved", "valid", "sustained", "confirmed", "better"}
	badWords  = []string{"fail", "failed", "missed", "violated", "invalid", "overloaded", "violation", "worse"}
	openWords = []string{
		"inconclusive", "undecided", "degraded", "incomplete", "interrupted", "partial", "unclear", "withdrawn", "warning",
	}
)

// mark puts a symbol before a text that begins with a verdict, on a terminal.
func (t text) mark(s string) string {
	end := strings.IndexFunc(s, func(r rune) bool { return !unicode.IsLetter(r) })
	if end < 0 {
		end = len(s)
	}
	word := strings.ToLower(s[:end])
	switch {
	case !t.terminal:
		return s
	case slices.Contains(goodWords, word):
		return t.paint("32", "✓ "+s[:end]) + s[end:]
	case slices.Contains(badWords, word):
		return t.alarm(s[:end]) + s[end:]
	case slices.Contains(openWords, word):
		return t.paint("33", "! "+s[:end]) + s[end:]
	}
	return s
}

// alarm marks a text as bad.
func (t text) alarm(s string) string {
	if !t.terminal {
		return s
	}
	return t.paint("31", "✗ "+s)
}

// paint colours a text where the screen has colours.
func (t text) paint(color, s string) string {
	if !t.screen.Color {
		return s
	}
	return "\x1b[" + color + "m" + s + "\x1b[0m"
}

// visible is how many columns a line takes.
func visible(line string) (columns int) {
	for {
		before, after, painted := strings.Cut(line, "\x1b[")
		columns += utf8.RuneCountInString(before)
		if !painted {
			return columns
		}
		_, line, _ = strings.Cut(after, "m")
	}
}

// wrap breaks a line that is wider than the screen at spaces. What follows is indented.
func (s Screen) wrap(line string) string {
	if s.Columns <= 0 || visible(line) <= s.Columns {
		return line
	}
	body := strings.TrimLeft(line, " ")
	indent := len(line) - len(body)
	hang := strings.Repeat(" ", min(indent+2, s.Columns/2))
	var b strings.Builder
	column := indent
	b.WriteString(line[:indent])
	for i, word := range strings.Split(body, " ") {
		width := visible(word)
		switch {
		case i == 0:
		case column+1+width > s.Columns:
			b.WriteString("\n" + hang)
			column = len(hang)
		default:
			b.WriteString(" ")
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}

// omissionOrder lists the columns that a table loses on a narrow screen, in this order. After
// them, it loses those at its end.
var omissionOrder = []string{
	"p99.99", "p90", "mean", "send lag p99", "length", "stage", "p99.9", "idle peers", "idle CPU", "late heartbeats", "elections/h ≤",
	"detectable", "margin", "baseline", "base", "dropped", "unfinished", "max", "p50", "error rate",
}

// fit removes columns from a table until it is no wider than the screen, less the reserve. The
// first row is the heading. It returns the names of the removed columns.
func (s Screen) fit(rows [][]string, reserve int) (left []string) {
	if s.Columns <= 0 || len(rows) == 0 {
		return nil
	}
	for len(rows[0]) > 2 && tableWidth(rows)+reserve > s.Columns {
		drop := -1
		for _, name := range omissionOrder {
			if drop = slices.Index(rows[0], name); drop > 0 {
				break
			}
		}
		if drop <= 0 {
			drop = len(rows[0]) - 1
		}
		if name := strings.TrimSpace(rows[0][drop]); name != "" {
			left = append(left, name)
		}
		for i, row := range rows {
			if drop < len(row) {
				rows[i] = slices.Delete(row, drop, drop+1)
			}
		}
	}
	return left
}

// tableWidth is the width of a table whose columns are two spaces apart.
func tableWidth(rows [][]string) (width int) {
	for column := range rows[0] {
		most := 0
		for _, row := range rows {
			if column < len(row) {
				most = max(most, utf8.RuneCountInString(row[column]))
			}
		}
		width += most + 2
	}
	return width
}
