package judge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/etcdbench/etcdbench/results"
)

// The words for a metric of a comparison with the defaults, see
// [results.TuningComparison].
const (
	wordBetter       = "better"
	wordAsGood       = "as good"
	wordWorse        = "worse"
	wordInconclusive = "inconclusive"
)

// leastConfidence is the least confidence of the intervals for a conclusion.
const leastConfidence = 0.9

// comparisonWord returns the word for the interval of a metric.
func comparisonWord(m results.MetricVerdict, confidence float64) string {
	equal := equalChange(m.Name)
	switch {
	case m.Verdict == results.NotMeasured, confidence < leastConfidence, m.BaselineAtLeast, m.CandidateAtLeast:
		return wordInconclusive
	case m.Lower != nil && m.Upper != nil && *m.Lower >= -equal && *m.Upper <= equal:
		return wordAsGood
	case m.Upper != nil && *m.Upper < 0:
		return wordBetter
	case m.Lower != nil && *m.Lower > 0:
		return wordWorse
	}
	return wordInconclusive
}

// TuningComparison sets the words and the text of the comparison of the recommended settings
// with the defaults. failover means that faults were injected.
func TuningComparison(c *results.TuningComparison, failover bool) {
	c.Words = map[string]string{}
	var parts []string
	for _, m := range c.Metrics {
		if !m.Primary {
			continue
		}
		word := comparisonWord(m, c.Confidence)
		c.Words[m.Name] = word
		if m.Verdict == results.NotMeasured {
			parts = append(parts, m.Name+" not measured")
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s (%+.0f %%, between %s and %s)",
			m.Name, word, 100*m.Estimate, bound(m.Lower, "−∞"), bound(m.Upper, "+∞")))
	}
	c.Text = "measured again in alternation with the defaults: " + strings.Join(parts, ", ")
	if c.Elections > 0 {
		c.Text += fmt.Sprintf("; %.0f unplanned elections", c.Elections)
	} else if failover {
		c.Text += "; no unplanned election"
	}
}

func bound(share *float64, open string) string {
	if share == nil {
		return open
	}
	return fmt.Sprintf("%+.0f %%", 100**share)
}

// equalChange returns the change of a metric that counts as equal.
func equalChange(metric string) float64 {
	if metric == "failover" {
		return equalFailover
	}
	return equalTime
}

// Confirm sets the confirmation of a tuning whose recommendation was compared with the
// defaults. It withdraws one that the comparison contradicts.
func Confirm(t *results.Tuning) {
	c := t.Compared
	deciding := "p99"
	if t.Failover {
		deciding = "failover"
	}
	var worse, unclear []string
	for _, m := range c.Metrics {
		switch word := c.Words[m.Name]; {
		case !m.Primary:
		case word == wordWorse:
			worse = append(worse, "its "+m.Name+" is worse")
		case word == wordAsGood && m.Name == deciding:
			worse = append(worse, "its "+m.Name+" is not better")
		case word == wordInconclusive:
			unclear = append(unclear, m.Name)
		}
	}
	if c.Elections > 0 && c.DefaultElections == 0 {
		worse = append(worse, fmt.Sprintf("it had %.0f unplanned elections, the defaults none", c.Elections))
	}
	switch {
	case len(worse) > 0:
		Withdraw(t, strings.Join(worse, "; "))
	case len(unclear) > 0 || c.Elections > 0:
		t.Confirmation = results.Unconfirmed
		why := "inconclusive when measured again: " + strings.Join(unclear, ", ")
		switch {
		case c.Confidence < leastConfidence:
			why = "too few rounds for a conclusion: give --rounds 5 or more"
		case len(unclear) == 0:
			why = "unplanned elections, as with the defaults"
		}
		t.Reasons = append(t.Reasons, "not confirmed: "+why)
	default:
		t.Confirmation = results.Confirmed
	}
}

// Withdraw withdraws the recommendation of a tuning for the given reason. The defaults are
// recommended instead, if they were steady.
func Withdraw(t *results.Tuning, why string) {
	reasons := []string{fmt.Sprintf("%s is withdrawn: measured again in alternation with the defaults, %s", t.Recommended, why)}
	t.Confirmation, t.Recommended, t.Settings = results.Withdrawn, "", nil
	for i := range t.Tried {
		if x := &t.Tried[i]; x.Default && steady(x) {
			t.Recommended, t.Settings = x.Name, x.Settings
			reasons = append(reasons, "the defaults are kept")
		}
	}
	if t.Recommended == "" {
		reasons = append(reasons, "the defaults were not steady either")
	}
	// What spoke for it does not count any more; what spoke against others does.
	t.Reasons = append(reasons, slices.DeleteFunc(t.Reasons, func(r string) bool { return !strings.HasPrefix(r, "not ") })...)
}
