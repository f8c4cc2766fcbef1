package content

import (
	"fmt"
	"time"

	"github.com/etcdbench/etcdbench/report/words"
	"github.com/etcdbench/etcdbench/results"
)

// ViolationLines returns the operation with the wrong answer, the operation that it
// contradicts, and the file that shows their history. It is empty for a violation without such
// an operation.
func ViolationLines(v results.Violation) (lines []string) {
	if v.Operation != nil {
		lines = append(lines, "operation: "+operationText(v.Operation))
	}
	if v.Against != nil {
		lines = append(lines, "contradicts: "+operationText(v.Against))
	}
	if v.Page != "" {
		lines = append(lines, "history: "+words.Clean(v.Page))
	}
	return lines
}

// clockFormat is the time of day with microseconds.
const clockFormat = "15:04:05.000000"

func operationText(o *results.ProofOperation) string {
	text := words.Clean(o.Name)
	if o.Key != "" {
		text += " of " + words.Clean(o.Key)
	}
	if o.Sent.IsZero() {
		if o.Revision > 0 {
			text += fmt.Sprintf(" at revision %d", o.Revision)
		}
		return text + ", time not recorded"
	}
	text += ", sent at " + o.Sent.UTC().Format(clockFormat)
	if o.Answered.IsZero() {
		return text + ", no response"
	}
	text += fmt.Sprintf(", response after %v", o.Answered.Sub(o.Sent).Round(time.Microsecond))
	if o.Revision > 0 {
		text += fmt.Sprintf(" at revision %d", o.Revision)
	}
	if o.Member != "" {
		text += " from member " + words.Clean(o.Member)
	}
	if o.Conn >= 0 {
		text += fmt.Sprintf(" on connection %d", o.Conn+1)
	}
	return text
}
